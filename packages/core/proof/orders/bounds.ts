/** How far one search goes, and in which world. */
export interface Bounds {
  readonly name: string;
  /** How many requests are made. */
  readonly requests: number;
  /** How many of them have a body that can be sent only once. */
  readonly streams: number;
  /** How many things out of the ordinary happen: sign-ins, sign-outs, peers' writes, faults, closing. */
  readonly disturbances: number;
  /** Tokens up to this generation age. */
  readonly generations: number;
  readonly maxHeld: number;
  /**
   * The world may act between any two microtasks; otherwise it waits until the session has gone on as far as it can,
   * in every order.
   */
  readonly interrupts: boolean;
  /** The store lets those who share it take turns. */
  readonly isExclusive: boolean;
  /** Fields take a while to make, as under a scheme that signs. */
  readonly signs: boolean;
  /** How the session begins. */
  readonly begins: readonly Beginning[];
  /** After so many states or ms the search stops. */
  readonly maxStates: number;
  readonly maxMs: number;
}

export type Beginning = "signedIn" | "stored" | "nothing" | "restore";
