import type { Act } from "./act.ts";
import { addRequests } from "./request-steps.ts";
import { addRounds } from "./round-steps.ts";
import type { Scene } from "./scene.ts";
import type { State } from "./state.ts";
import { addStore } from "./store-steps.ts";
import { addWorld } from "./world-steps.ts";

/**
 * own: the session goes on, a microtask later. answer: what was asked for comes. world: what nobody waits for.
 * odd: out of the ordinary, and so bounded.
 */
type Kind = "own" | "answer" | "world" | "odd";

/** One thing that can happen next. It is taken in a copy of the state that it was listed for. */
export interface Step {
  readonly kind: Kind;
  /** In words. */
  readonly name: string;
  run(scene: Scene): void;
  /** The same, for who does it to a real session. */
  readonly act?: Act | undefined;
}

export type Add = (kind: Kind, name: string, run: Step["run"], act?: Act) => void;

/** Lists all that can happen next, always in the same order. */
export function stepsFrom(state: State, scene: Scene): Step[] {
  const steps: Step[] = [];
  const add: Add = (kind, name, run, act) => {
    if (kind !== "odd" || state.disturbances > 0) steps.push({ kind, name, run, act });
  };
  addRequests(add, state);
  addRounds(add, state);
  addStore(add, state);
  addWorld(add, state, scene.bounds);
  return steps;
}
