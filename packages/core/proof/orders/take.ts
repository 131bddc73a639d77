import { checkRest, checkState } from "./invariants.ts";
import type { Scene } from "./scene.ts";
import type { Renewal, State } from "./state.ts";
import type { Step } from "./steps.ts";

/** Takes one step in a state, which it changes; the scene then tells what came of it. */
export function take(scene: Scene, state: State, step: Step): void {
  scene.state = state;
  scene.request = null;
  scene.violations = [];
  scene.limits = [];
  scene.told = [];
  scene.settled = [];
  if (step.kind === "odd") state.disturbances--;
  step.run(scene);
  forgetRounds(state);
  checkState(scene);
}

/** Looks at a state in which nothing is under way. */
export function rest(scene: Scene, state: State): void {
  scene.state = state;
  scene.violations = [];
  scene.limits = [];
  checkRest(scene);
}

// A round that has ended is kept while something may still come back to it.
function forgetRounds(state: State): void {
  const writes = [...state.writes, state.writing?.write, state.unsaved];
  const isKept = (round: Renewal) =>
    round.phase !== "told" ||
    round.late !== 0 ||
    writes.some((write) => write && write !== "again" && write.round === round);
  if (!state.rounds.every(isKept)) state.rounds = state.rounds.filter(isKept);
}
