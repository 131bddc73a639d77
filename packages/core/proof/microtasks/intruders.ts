import type { World } from "../commands/world.ts";
import type { Gates } from "./gates.ts";

/** Who comes in between. */
export interface Intruder {
  readonly name: string;
  /** How many refreshes more than without it there may be. */
  readonly refreshes: number;
  /** Whether it may change what becomes of others. */
  readonly isInnocent: boolean;
  /** Comes only where others share the store. */
  readonly needsOthers?: boolean;
  comes(world: World, gates: Gates): void;
}

function innocent(name: string, comes: Intruder["comes"]): Intruder {
  return { name, refreshes: 0, isInnocent: true, comes };
}

function deed(name: string, comes: Intruder["comes"], refreshes = 2): Intruder {
  return { name, refreshes, isInnocent: false, comes };
}

function another(name: string, what: "renews" | "signs in" | "signs out"): Intruder {
  return { ...deed(name, (world) => world.another(what, true)), needsOthers: true };
}

export const intruders: readonly Intruder[] = [
  innocent("a request", (world) => world.send()),
  innocent("a request that cannot be sent twice", (world) => world.send({ replayable: false })),
  innocent("a late 401", (_, gates) => gates.pass("the answer to request 2")),
  innocent("tokens()", (world) => world.tokens()),
  innocent("an abort", (world) => world.abort(0)),
  innocent("a hint", (world) => world.shelf.hint()),
  deed("refresh()", (world) => world.refresh(), 1),
  deed("signIn", (world) => world.signIn()),
  deed("signOut", (world) => world.signOut()),
  deed("close", (world) => void world.close()),
  another("another's renewed tokens", "renews"),
  another("another's sign-in", "signs in"),
  another("another's sign-out", "signs out"),
];
