import type { Clock } from "./options.ts";

/** A part of the work that did not end in time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/** Waits for work at most `ms`. Rejects with a {@link DeadlineError} that says what was late; the work runs on. */
export function within<T>(
  work: () => T | PromiseLike<T>,
  ms: number,
  clock: Clock,
  what: string,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = clock.timer(() => reject(new DeadlineError(`${what} took longer than ${ms} ms`)), ms, false);
    // At once, and inside a promise, so that a throw is a rejection.
    new Promise<T>((begun) => begun(work())).then(resolve, reject).finally(stop);
  });
}
