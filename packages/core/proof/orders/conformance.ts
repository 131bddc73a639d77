import { snapshot } from "../../src/state.ts";
import type { Act } from "./act.ts";
import { beginningOf } from "./beginnings.ts";
import type { Beginning, Bounds } from "./bounds.ts";
import { doTo, lookOf } from "./deed.ts";
import { pack } from "./pack.ts";
import { createReality, DEADLINE, type Reality, SLEEP } from "./reality.ts";
import { codeAt, codeOf, nameOf } from "./record.ts";
import type { Scene } from "./scene.ts";
import { createScene } from "./session.ts";
import { copyOf, type Look, type State } from "./state.ts";
import { type Step, stepsFrom } from "./steps.ts";
import { take } from "./take.ts";

// Does the model tell the truth? Walks through it at random, with a real session beside it: what is done to the one is
// done to the other, and after each step what can be seen of the real one must be what can be seen of the model, in one
// of the orders in which the model can go on.

const STEPS = 60;

export interface Conformed {
  readonly walks: number;
  readonly steps: number;
  readonly violations: readonly string[];
}

export async function conform(bounds: Bounds, walks: number, seed: number): Promise<Conformed> {
  const violations: string[] = [];
  let [steps, walk] = [0, 0];
  for (; walk < walks && violations.length === 0; walk++) {
    const walked = await walkOnce(bounds, seed + walk);
    steps += walked.steps;
    if (walked.violation) violations.push(`${walked.violation}\n  (after ${walk + 1} walks)`);
  }
  return { walks: walk, steps, violations };
}

async function walkOnce(bounds: Bounds, seed: number): Promise<{ steps: number; violation?: string }> {
  const random = randomFrom(seed);
  const beginning = bounds.begins[random(bounds.begins.length)] ?? "signedIn";
  const scene = createScene(bounds, () => {});
  const reality = createReality(worldOf(beginning, bounds));
  const told = [`seed ${seed}: ${beginning}`];
  const settled = new Map<number, string>();
  let state = beginningOf(beginning === "signedIn" ? "stored" : beginning, bounds);
  await quiet();
  tag(state, reality);
  const forced: Act["type"][] = beginning === "signedIn" ? ["look", "tell"] : [];
  for (let count = 0; count < STEPS; count++) {
    const step = chosen(stepsFrom(state, scene), state, reality, random, forced.shift());
    if (!step?.act) return { steps: count };
    told.push(step.name);
    const before = copyOf(state);
    doTo(reality, before, step.act);
    await quiet();
    const real = observed(reality);
    const after = goneOn(scene, state, step, settled).find(({ seen }) => seen === real);
    if (!after || reality.surprises.length > 0) {
      const model = goneOn(scene, state, step, settled).map(({ seen }) => seen);
      const why = [
        ...reality.surprises,
        `the session: ${real}`,
        ...model.map((seen) => `the model:   ${seen}`),
      ];
      const story = told.map((line, index) => `${String(index).padStart(4)}. ${line}`);
      return {
        steps: count,
        violation: ["the real session goes another way", ...why, ...story].join("\n  "),
      };
    }
    state = after.state;
    for (const [id, how] of after.settled) settled.set(id, how);
    tag(state, reality, before);
  }
  return { steps: STEPS };
}

function worldOf(beginning: Beginning, { maxHeld }: Bounds): Parameters<typeof createReality>[0] {
  const isHeld = beginning === "signedIn" || beginning === "stored";
  return { store: isHeld ? codeAt(0, 0) : 0, isRestoring: beginning === "restore", maxHeld };
}

// Everything that goes on by itself goes on.
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** All states in which the model can come to rest after a step, one for each that can be told apart. */
function goneOn(scene: Scene, from: State, step: Step, before: ReadonlyMap<number, string>) {
  const ends: { state: State; settled: Map<number, string>; seen: string }[] = [];
  const known = new Set<string>();
  const go = (state: State, next: Step, settledBefore: ReadonlyMap<number, string>) => {
    const after = copyOf(state);
    take(scene, after, next);
    const settled = new Map(settledBefore);
    for (const { id, how } of scene.settled) settled.set(id, how);
    const key = pack(after) + [...settled.entries()].sort().join();
    if (known.has(key)) return;
    known.add(key);
    const own = stepsFrom(after, scene).filter(({ kind }) => kind === "own");
    if (own.length === 0) ends.push({ state: after, settled, seen: seenOf(after, settled) });
    for (const then of own) go(after, then, settled);
  };
  go(from, step, before);
  return ends;
}

// What can be seen from outside.

function seenOf(state: State, settled: ReadonlyMap<number, string>): string {
  const { machine, requests, rounds, writing, unsaved } = state;
  const shown = snapshot(machine);
  const served =
    shown.status === "signedIn" ? `${nameOf(codeOf(machine.record))}${shown.refreshing ? "…" : ""}` : "";
  const running = rounds.filter(({ phase }) => phase !== "told");
  const asking = running.filter(({ phase }) => phase === "asking").length;
  const late = rounds.reduce(
    (sum, { late }) => sum + [1, 2, 3].filter((attempt) => late & (1 << attempt)).length,
    0,
  );
  const looks = [state.opening, state.hinted, writing?.look, ...rounds.map(({ look }) => look)];
  const asks = looks.filter((look) => look != null && !(look === state.hinted && state.hintWaits)).length;
  const isSaving = writing?.phase === "asked" || writing?.phase === "acted";
  const made = Array.from({ length: state.made }, (_, index) => {
    const request = requests.find(({ id }) => id === index + 1);
    if (!request) return settled.get(index + 1);
    return request.phase === "sent"
      ? `${request.sends} ${nameOf(request.sent)}`
      : `waits after ${request.sends}`;
  });
  return [
    `${shown.status} ${served}${shown.status === "signedOut" && shown.error ? "rejected" : ""}`,
    `requests [${made.join(", ")}]`,
    `store ${nameOf(state.store)}`,
    `loads ${asks}`,
    `saves ${isSaving ? `${nameOf(writing.write.code)} over ${writing.expected === -1 ? "anything" : "what is known"}` : "-"}`,
    `turns ${running.filter(({ phase }) => phase === "queueing").length}`,
    `attempts ${asking + late}`,
    `sleeps ${running.filter(({ phase }) => phase === "sleeping").length + (unsaved && state.closing < 4 ? 1 : 0)}`,
  ].join("; ");
}

function observed(reality: Reality): string {
  const { session, connection, world, loads, saves, attempts, turns, sendings, timers, codeOf } = reality;
  const { state } = session;
  const served =
    state.status === "signedIn" ? `${nameOf(codeOf(state.tokens))}${state.refreshing ? "…" : ""}` : "";
  const made = sendings.map(({ how, sends, sent, wire, wasReleased }) => {
    if (how) return how;
    if (wire && !wire.isOver) return `${sends} ${nameOf(sent)}`;
    return `waits after ${sends}${sends > 0 && !wasReleased ? ", its answer unreleased" : ""}`;
  });
  const last = saves.at(-1);
  if (process.env.DBG)
    console.log(
      saves.map((s) => [s.isOver, !!s.timer, s.timer && timers.has(s.timer), s.timer?.ms]),
      [...timers].map((t) => [t.ms, t.isTaken]),
    );
  const isSaving = last && !last.isOver && last.timer && timers.has(last.timer);
  const open = attempts.filter(({ isOver }) => !isOver);
  const strange = open.some(({ context }) => !connection.owns(context.signal))
    ? "; an attempt's signal is not known"
    : "";
  return (
    [
      `${state.status} ${served}${state.status === "signedOut" && state.error ? "rejected" : ""}`,
      `requests [${made.join(", ")}]`,
      `store ${nameOf(codeOf(world.held?.tokens))}`,
      `loads ${loads.filter(({ isOver }) => !isOver).length}`,
      `saves ${isSaving ? `${nameOf(codeOf(last.record?.tokens))} over ${last.expected === undefined ? "anything" : "what is known"}` : "-"}`,
      `turns ${turns.filter(({ isOver }) => !isOver).length}`,
      `attempts ${open.length}`,
      `sleeps ${[...timers].filter(({ ms }) => ms < DEADLINE).length}`,
    ].join("; ") + strange
  );
}

/** Notes which calls of the real session are which of the model. */
function tag(state: State, { loads, turns, attempts, saves }: Reality, before?: State): void {
  const looks = (["opening", "hint", "writer", ...state.rounds.keys()] as const)
    .map((looker) => lookOf(state, looker))
    .filter((look): look is Look => look !== null && !(look === state.hinted && state.hintWaits));
  const known = new Set(looks.map(({ call }) => call));
  const open = [...loads.keys()].filter((index) => !loads[index]?.isOver && !known.has(index + 1));
  for (const look of looks.filter(({ call }) => call === 0)) look.call = (open.shift() ?? -1) + 1;
  for (const renewal of state.rounds) {
    if (renewal.phase === "queueing" && renewal.turn === 0) renewal.turn = turns.length;
    if (renewal.phase === "asking" && renewal.calls.length < renewal.attempts)
      renewal.calls = [...renewal.calls, attempts.length];
  }
  const ghosts = before?.ghosts.length ?? 0;
  if (state.ghosts.length > ghosts) {
    const ghost = state.ghosts.at(-1);
    const isNext = state.writing?.phase === "asked";
    if (ghost) state.ghosts[state.ghosts.length - 1] = { ...ghost, call: saves.length - (isNext ? 1 : 0) };
  }
}

function chosen(
  steps: readonly Step[],
  state: State,
  reality: Reality,
  random: (below: number) => number,
  forced: Act["type"] | undefined,
): Step | undefined {
  if (forced) return steps.find(({ act }) => act?.type === forced);
  const open = steps.filter(({ act }) => act && isTellable(act, state, reality));
  // What is awaited comes more often than not, else hardly anything would ever end.
  const awaited = open.filter(({ kind }) => kind === "answer");
  const some = awaited.length > 0 && random(10) < 5 ? awaited : open;
  return some[random(some.length)];
}

// Left out: what a real session's one clock would do to more than one thing at a time.
function isTellable(
  act: Act,
  { machine, rounds, writes, writing, unsaved }: State,
  { timers }: Reality,
): boolean {
  if (act.type === "age") {
    const isBusy = rounds.some(
      ({ phase }) =>
        !["queueing", "looking", "looked", "settling", "repeating", "asking", "told", "sleeping"].includes(
          phase,
        ),
    );
    return (
      !machine.coolDown &&
      machine.refusals.length === 0 &&
      !isBusy &&
      writes.length === 0 &&
      !writing &&
      machine.status === "signedIn"
    );
  }
  if (act.type === "window") return !machine.coolDown;
  if (act.type === "again" || act.type === "backOff") {
    const short = [...timers].filter(({ ms }) => ms < DEADLINE && ms !== SLEEP);
    return (
      short.length <= (unsaved ? 1 : 0) || !(unsaved && rounds.some(({ phase }) => phase === "sleeping"))
    );
  }
  return true;
}

/** A generator of the kind xorshift: the same numbers for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let word = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return (below) => {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    return (word >>> 0) % below;
  };
}
