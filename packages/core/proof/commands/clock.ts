import type { Clock } from "../../src/index.ts";

/** A clock that stands still until it is moved. */
export interface WoundClock extends Clock {
  /** Moves on, and runs in order what falls due, each followed by `drained`. */
  advance(ms: number): Promise<void>;
  /** Runs what falls due next, now. False: nothing ever will. */
  strike(): boolean;
  /** Sets the time without running anything, as a user or a sleeping machine does. */
  jump(ms: number): void;
  /** How long until something falls due; undefined: nothing ever will. */
  next(): number | undefined;
  /** How long it has run, whatever it was set to. */
  elapsed(): number;
  readonly timers: number;
}

interface Timer {
  readonly at: number;
  readonly run: () => void;
  readonly keepAlive: boolean;
}

export function createWoundClock(drained: () => Promise<void>): WoundClock {
  const timers = new Set<Timer>();
  let elapsed = 0;
  let offset = 1_700_000_000_000;
  let draws = 0;

  // Who keeps a process alive waits for nothing of its own.
  function first(): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of timers) if (!timer.keepAlive && timer.at < (found?.at ?? Infinity)) found = timer;
    return found;
  }

  return {
    now: () => offset + elapsed,
    random: () => (++draws * 0.618) % 1,
    timer(run, ms, keepAlive) {
      const timer = { at: elapsed + Math.round(ms), run, keepAlive };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const end = elapsed + ms;
      for (let due = first(); due && due.at <= end; due = first()) {
        elapsed = due.at;
        timers.delete(due);
        due.run();
        await drained();
      }
      elapsed = end;
    },
    strike() {
      const due = first();
      if (!due) return false;
      elapsed = Math.max(elapsed, due.at);
      timers.delete(due);
      due.run();
      return true;
    },
    jump(ms) {
      offset += ms;
    },
    next() {
      const due = first();
      return due && due.at - elapsed;
    },
    elapsed: () => elapsed,
    get timers() {
      return timers.size;
    },
  };
}
