import { until } from "./wait.ts";

/** Lets those of one process in one at a time, in the order they came: only the first of them asks Redis. */
export interface Turns {
  /** Resolves with the way out. Rejects with the signal's reason when that aborts first. */
  enter(signal: AbortSignal): Promise<() => void>;
}

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return {
    async enter(signal) {
      const before = last;
      let leave = () => {};
      const left = new Promise<void>((resolve) => {
        leave = resolve;
      });
      last = before.then(() => left);
      try {
        await until(before, signal, () => {});
        return leave;
      } catch (error) {
        leave();
        throw error;
      }
    },
  };
}
