import { isBusy } from "./errors.ts";

// Half as long as a second process with a time of its own would notice, and seldom enough to cost nothing.
const LONGEST_PAUSE = 32;

/** How long a file may stay locked by another process, in ms: a write takes less than one. */
const PATIENCE = 10_000;

/** Waits a moment, a little longer each time, and never as long as others do. Rejects as soon as the signal aborts. */
export function pause(times: number, signal?: AbortSignal): Promise<void> {
  const ms = Math.min(LONGEST_PAUSE, 2 ** (times + 1)) * (0.5 + Math.random() / 2);
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", giveUp);
      resolve();
    }, ms);
    signal?.addEventListener("abort", giveUp, { once: true });
    if (signal?.aborted) giveUp();
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
