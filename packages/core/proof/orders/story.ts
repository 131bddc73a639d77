import { beginningOf } from "./beginnings.ts";
import type { Bounds } from "./bounds.ts";
import { pack, unpack } from "./pack.ts";
import type { Seen } from "./seen.ts";
import { createScene } from "./session.ts";
import type { State } from "./state.ts";
import { stepsFrom } from "./steps.ts";
import { take } from "./take.ts";

const BEGINNINGS = {
  signedIn: "a session is signed in with f0.0, which is stored",
  stored: "a session begins, and its store holds f0.0",
  nothing: "a session begins, and its store is empty",
  restore: "a session begins, to be restored",
};

/** Tells how a state was reached, and the last step from it (−1: none), step by step. */
export function storyOf(bounds: Bounds, seen: Seen, last: number, lastStep: number): string {
  const path = lastStep < 0 ? [] : [lastStep];
  let state = last;
  for (; seen.parentOf(state) >= 0; state = seen.parentOf(state)) path.unshift(seen.stepTo(state));
  const beginning = bounds.begins[seen.stepTo(state)] ?? "signedIn";
  return told(bounds, beginning, path);
}

/** Takes the steps of a path anew, and tells them. */
function told(bounds: Bounds, beginning: keyof typeof BEGINNINGS, path: readonly number[]): string {
  const scene = createScene(bounds, () => {});
  const lines = [BEGINNINGS[beginning]];
  let state: State = beginningOf(beginning, bounds);
  for (const index of path) {
    // As the search does: from the string, so that the steps come in the same order.
    state = unpack(pack(state));
    const step = stepsFrom(state, scene)[index];
    if (!step) throw new Error("the story cannot be told: a step is missing");
    take(scene, state, step);
    lines.push([step.name, ...scene.told].join("; "));
  }
  const numbered = lines.map((line, index) => `${String(index).padStart(4)}. ${line}`);
  return [`  ${bounds.name}`, ...numbered, `  path: ${beginning} ${path.join(" ")}`].join("\n");
}
