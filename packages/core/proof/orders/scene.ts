import type { SessionGate } from "../../src/gate.ts";
import type { Input } from "../../src/machine.ts";
import type { Bounds } from "./bounds.ts";
import type { Request, State } from "./state.ts";

/** A state in which a step is being taken, by the production machine and the production gate. */
export interface Scene {
  readonly bounds: Bounds;
  readonly gate: SessionGate;
  state: State;
  /** Who is at the gate. */
  request: Request | null;
  /** Hands an input to the machine, and carries out what it decides. */
  dispatch(input: Input): void;
  /** Something interesting was reached. */
  witness(name: string): void;
  /** What must not be. */
  violations: string[];
  /** What cannot be promised, and has happened. */
  limits: string[];
  /** What happened in this step, in words. */
  told: string[];
  /** Who settled in this step. */
  settled: Settled[];
}

interface Settled {
  readonly id: number;
  readonly how: string;
  readonly awaited: number;
}

/** How many rounds of one family refusals may cause within the window. */
export const REFUSALS = 1;
