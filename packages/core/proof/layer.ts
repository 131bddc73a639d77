/** One way to look for what must never happen. */
export interface Layer {
  /** As the table of the proof calls it. */
  readonly name: string;
  /** What it does, in one plain sentence. */
  readonly what: string;
  /** Explores, and resolves with what was found. Rejects only where the layer itself is broken. */
  explore(scale: Scale, progress: (line: string) => void): Promise<Findings>;
}

/** `test`: a few seconds, in every test run. `prove`: minutes, on demand. */
export type Scale = "test" | "prove";

export interface Findings {
  /** What was explored, and within which bounds: "2 requests, 2 sign-ins, …". */
  readonly bounds: string;
  /** How much: "57,012 states", "50,000 runs". */
  readonly explored: string;
  /** Each a whole story, with what replays it. Empty: nothing was found. */
  readonly violations: readonly string[];
  /** What cannot be promised, and how often it was seen, by name. */
  readonly limits: Readonly<Record<string, number>>;
  /** What else the reader may want to know: how often each outcome was reached, for instance. */
  readonly notes: readonly string[];
}
