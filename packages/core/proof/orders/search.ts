import { beginningOf } from "./beginnings.ts";
import type { Bounds } from "./bounds.ts";
import { pack, unpack } from "./pack.ts";
import { createSeen, type Seen } from "./seen.ts";
import { createScene } from "./session.ts";
import { copyOf } from "./state.ts";
import { stepsFrom } from "./steps.ts";
import { storyOf } from "./story.ts";
import { rest, take } from "./take.ts";
import { createWitnesses } from "./witnesses.ts";

export interface Searched {
  readonly bounds: Bounds;
  readonly states: number;
  readonly transitions: number;
  readonly depth: number;
  /** Every state within the bounds was seen. */
  readonly isWhole: boolean;
  readonly ms: number;
  readonly violations: readonly string[];
  readonly limits: ReadonlyMap<string, number>;
  readonly witnessed: ReadonlyMap<string, number>;
}

const BATCH = 20_000;
const ENOUGH = 3;

/** Searches breadth first: the first story of a violation is a shortest one. */
export async function search(
  bounds: Bounds,
  now: () => number,
  progress: (line: string) => void,
): Promise<Searched> {
  const began = now();
  const seen = createSeen();
  const witnesses = createWitnesses();
  const scene = createScene(bounds, witnesses.add);
  const violations = new Map<string, string>();
  const limits = new Map<string, number>();
  let level: string[] = [];
  let number = 0;
  let transitions = 0;
  let depth = 0;

  function found(state: number, step: number): void {
    for (const what of scene.violations) {
      const name = what.replaceAll(/\d+/g, "n");
      if (!violations.has(name))
        violations.set(name, `${what} (after ${seen.size} states)\n${storyOf(bounds, seen, state, step)}`);
    }
    for (const what of scene.limits) limits.set(what, (limits.get(what) ?? 0) + 1);
  }

  function expand(key: string, from: number, next: string[]): void {
    const state = unpack(key);
    const steps = stepsFrom(state, scene);
    const isBusy = !bounds.interrupts && steps.some(({ kind }) => kind === "own");
    const helpful = firstHelpful(steps);
    if (helpful < 0) {
      rest(scene, state);
      if (scene.violations.length + scene.limits.length > 0) found(from, -1);
      seen.setNext(from, from);
    }
    for (const [index, step] of steps.entries()) {
      if (isBusy && step.kind !== "own") continue;
      const after = copyOf(state);
      transitions++;
      take(scene, after, step);
      witnesses.look(state, after, scene);
      if (scene.violations.length + scene.limits.length > 0) found(from, index);
      const packed = pack(after);
      const before = seen.size;
      const to = seen.add(packed, from, index);
      if (seen.size > before) next.push(packed);
      if (index === helpful) seen.setNext(from, to);
    }
  }

  bounds.begins.forEach((beginning, index) => {
    const key = pack(beginningOf(beginning, bounds));
    const before = seen.size;
    seen.add(key, -1, index);
    if (seen.size > before) level.push(key);
  });

  const isOver = () =>
    violations.size >= ENOUGH || seen.size >= bounds.maxStates || now() - began >= bounds.maxMs;
  levels: while (level.length > 0) {
    const next: string[] = [];
    for (const key of level) {
      expand(key, number++, next);
      if (number % BATCH === 0) {
        // Lets others have a turn.
        await new Promise((resolve) => setImmediate(resolve));
        if (isOver()) break levels;
      }
    }
    level = next;
    depth++;
    if (seen.size > 500_000)
      progress(`${bounds.name}: depth ${depth}, ${seen.size.toLocaleString("en")} states`);
  }
  const isWhole = number === seen.size;
  for (const state of circles(seen, number)) {
    const what = "stuck: what is pending goes round in circles";
    if (!violations.has(what)) violations.set(what, `${what}\n${storyOf(bounds, seen, state, -1)}`);
  }
  return {
    bounds,
    states: seen.size,
    transitions,
    depth,
    isWhole,
    ms: now() - began,
    violations: [...violations.values()],
    limits,
    witnessed: witnesses.counts,
  };
}

function firstHelpful(steps: readonly { readonly kind: string }[]): number {
  const own = steps.findIndex(({ kind }) => kind === "own");
  return own >= 0 ? own : steps.findIndex(({ kind }) => kind === "answer");
}

// From every state, whatever is pending leads to rest, if nothing else comes between. Each state has one next; those
// that never reach a state at rest go round in circles.
function circles(seen: Seen, expanded: number): number[] {
  const ends = new Uint8Array(seen.size);
  const found: number[] = [];
  for (let start = 0; start < expanded; start++) {
    const path: number[] = [];
    let state = start;
    while (state < expanded && ends[state] === 0 && seen.next(state) !== state) {
      ends[state] = 2;
      path.push(state);
      state = seen.next(state);
    }
    const isCircle = state < expanded && ends[state] === 2;
    if (isCircle && found.length === 0) found.push(state);
    for (const passed of path) ends[passed] = 1;
  }
  return found;
}
