/** A clock that stands still until it is moved: fits the `clock` option of a session. */
export interface ManualClock {
  /** The time in ms since the epoch. */
  now(): number;
  /** A number from 0 up to 1: never the same twice in a row, always the same in every run. */
  random(): number;
  /** Runs something once, when the clock has moved on by `ms`. Returns its undo. */
  timer(run: () => void, ms: number, keepAlive: boolean): () => void;
  /** Moves on by `ms`, runs what falls due in order, and lets everything settle after each. */
  advance(ms: number): Promise<void>;
  /** Sets the time without running anything, as a user or a sleeping machine does. */
  jump(ms: number): void;
  /** How many timers are set, and for how many of them a process would stay alive. */
  readonly timers: { readonly all: number; readonly keepAlive: number };
}

interface Timer {
  readonly at: number;
  readonly keepAlive: boolean;
  readonly run: () => void;
}

/** Makes a clock that starts at a time, in ms since the epoch. */
export function createClock(start = 1_700_000_000_000): ManualClock {
  const timers = new Set<Timer>();
  let elapsed = 0;
  let offset = start;
  let draws = 0;

  function firstDue(end: number): Timer | undefined {
    const due = [...timers].filter(({ at }) => at <= end);
    return due.sort((one, other) => one.at - other.at)[0];
  }

  return {
    now: () => offset + elapsed,
    random: () => (++draws * 0.618) % 1,
    timer(run, ms, keepAlive) {
      const timer = { at: elapsed + ms, keepAlive, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const end = elapsed + ms;
      await settled();
      for (let next = firstDue(end); next; next = firstDue(end)) {
        elapsed = next.at;
        timers.delete(next);
        next.run();
        await settled();
      }
      elapsed = end;
    },
    jump(ms) {
      offset += ms;
    },
    get timers() {
      const keepAlive = [...timers].filter((timer) => timer.keepAlive).length;
      return { all: timers.size, keepAlive };
    },
  };
}

/** Lets everything that waits for nothing but itself come to an end. */
export function settled(): Promise<void> {
  const { setImmediate: soon = setTimeout } = globalThis as { setImmediate?: (run: () => void) => unknown };
  return new Promise((resolve) => void soon(resolve));
}
