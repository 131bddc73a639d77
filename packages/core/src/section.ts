import { DeadlineError } from "./deadline.ts";
import type { Settings } from "./options.ts";

/** Work for a section. `isHeld`: nobody else can be in it yet. A store ends a section before its time where it must. */
export type Task<R> = (isHeld?: () => boolean) => Promise<R>;

/**
 * Runs a task while nobody else who shares the store runs one. Waits for its turn at most `refreshTimeout`.
 * When `overtaken` aborts the section ends at once, and the task runs on outside it.
 * Rejects when the task was never run, or as the task does.
 */
export async function exclusively<R>(
  { store, clock, refreshTimeout }: Settings,
  task: Task<R>,
  overtaken: AbortSignal,
): Promise<R> {
  if (!store.exclusive) return task();
  const waiting = new AbortController();
  const late = () =>
    waiting.abort(new DeadlineError(`exclusive() of the store took longer than ${refreshTimeout} ms`));
  const giveUp = () => waiting.abort(overtaken.reason);
  const gaveUp = aborted(waiting.signal);
  const ended = aborted(overtaken);
  let running: Promise<R> | undefined;
  let isHeld = true;
  let stop = clock.timer(late, refreshTimeout, false);

  async function inside(): Promise<void> {
    if (waiting.signal.aborted || running) return;
    stop();
    running = task(() => isHeld);
    await Promise.race([running, ended]).catch(() => {});
    stop = clock.timer(late, refreshTimeout, false);
  }

  overtaken.addEventListener("abort", giveUp);
  const left = (async () => store.exclusive?.(inside, { signal: waiting.signal }))();
  const leave = () => {
    isHeld = false;
  };
  left.then(leave, leave);
  // A reason is not asked what it is, which a promise would be.
  let reason: unknown;
  const because = (why: unknown) => {
    reason = why;
  };
  await Promise.race([left, gaveUp.then(because)]).catch(because);
  stop();
  overtaken.removeEventListener("abort", giveUp);
  // From here on the task must not run any more.
  if (!running) waiting.abort();
  return running ?? Promise.reject(reason ?? new Error("exclusive() of the store did not run its task"));
}

/** Resolves with a signal's reason, once it aborts. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(signal.reason));
  });
}
