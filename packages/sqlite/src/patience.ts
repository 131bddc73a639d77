import { isBusy } from "./errors.ts";

// Soon enough that nobody notices, and seldom enough to cost nothing.
const LONGEST_PAUSE = 32;

/** How long a file may stay locked by another process, in ms: a write takes less than one. */
const PATIENCE = 10_000;

/** Waits a moment, a little longer each time, and never as long as others do. Keeps the process alive, or not. */
export function pause(times: number, keepAlive: boolean): Promise<void> {
  const ms = Math.min(LONGEST_PAUSE, 2 ** (times + 1)) * (0.5 + Math.random() / 2);
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    if (!keepAlive) timer.unref();
  });
}

/**
 * Does what another process's lock may forbid just now: at once, and again until it is done. Never blocks the thread.
 *
 * With a signal it rejects with that one's reason when that aborts, and keeps no process alive: whoever gave it, waits.
 */
export async function patiently<R>(attempt: () => R, signal?: AbortSignal): Promise<R> {
  const end = performance.now() + PATIENCE;
  for (let times = 0; ; times++) {
    signal?.throwIfAborted();
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
    }
    await pause(times, signal === undefined);
  }
}
