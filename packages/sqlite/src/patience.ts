import { isBusy } from "./errors.ts";

// Soon enough that nobody notices, and seldom enough to cost nothing.
const LONGEST_PAUSE = 32;

/** How long a file may stay locked by another process, in ms: a write takes less than one. */
const PATIENCE = 10_000;

/** Waits a moment, a little longer each time, and never as long as others do. */
export function pause(times: number): Promise<void> {
  const ms = Math.min(LONGEST_PAUSE, 2 ** (times + 1)) * (0.5 + Math.random() / 2);
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Does what another process's lock may forbid just now: at once, and again until it is done. Never blocks the thread. */
export async function patiently<R>(attempt: () => R): Promise<R> {
  const end = performance.now() + PATIENCE;
  for (let times = 0; ; times++) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
    }
    await pause(times);
  }
}
