import type { Clock } from "@freshtoken/core";

/** Waits for so many ms. Nothing that the process stays alive for. */
export function pause(ms: number, clock: Clock): Promise<void> {
  return new Promise((resolve) => void clock.timer(resolve, ms, false));
}

/** So many ms, drawn between half and the whole of that: what fails together is not to come back together. */
export function jittered(ms: number, clock: Clock): number {
  return ms * (0.5 + clock.random() / 2);
}

/** What a promise comes to, unless the signal aborts first: then `late` gets it. */
export function until<T>(promise: Promise<T>, signal: AbortSignal, late: (value: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(signal.reason);
      promise.then(late, () => {});
    };
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.finally(() => signal.removeEventListener("abort", abort)).then(resolve, reject);
  });
}
