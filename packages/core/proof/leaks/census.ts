import { getEventListeners } from "node:events";

let alive = 0;
const collected = new FinalizationRegistry(() => alive--);

/** Something of which is known how many are in the heap. */
export class Counted {
  constructor() {
    alive++;
    collected.register(this, undefined);
  }
}

/** What is there once everything that can go is gone. */
export interface Census {
  /** In bytes. */
  readonly heap: number;
  /** How many of the counted things somebody still holds. */
  readonly held: number;
  /** On the signal that outlives everything. */
  readonly listeners: number;
  readonly timers: number;
}

/** Counts what is left. Needs a collector that can be asked: --expose-gc. */
export async function census(signal: AbortSignal, timers: () => number): Promise<Census> {
  if (!globalThis.gc) throw new Error("Leaks are counted after a collection: run with --expose-gc");
  for (let turn = 0; turn < 4; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    globalThis.gc();
  }
  return {
    heap: process.memoryUsage().heapUsed,
    held: alive,
    listeners: getEventListeners(signal, "abort").length,
    timers: timers(),
  };
}

// What the platform grows by on its own, compiled code and tables. Measured: 0.1 MB with 20,000 requests and with 200
// sessions, 0.3 MB with a million. Thirty bytes kept of each of 20,000 are found by it.
const SLACK = 600_000;

// What the collector comes to later: what a stack or a register still shows.
const LATE = 10;

/** Says what has not come back to where it was before `count` more. */
export function leftBehind(what: string, before: Census, after: Census, count: number): string[] {
  const { held, listeners, timers } = after;
  const grown = after.heap - before.heap;
  return [
    held > before.held + LATE && `${held - before.held} of ${count} ${what} are still held`,
    listeners > before.listeners &&
      `${listeners - before.listeners} listeners stay on the signal after ${count} ${what}`,
    timers > before.timers && `${timers - before.timers} timers stay set after ${count} ${what}`,
    grown > SLACK && `the heap has grown by ${grown} bytes with ${count} ${what}`,
  ].filter((line) => line !== false);
}
