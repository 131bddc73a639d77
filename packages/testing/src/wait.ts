import type { Gate } from "./gate.ts";

/** Milliseconds, a promise, or a gate. */
export type Wait = number | PromiseLike<unknown> | Gate;

type Sleep = (milliseconds: number, signal: AbortSignal) => PromiseLike<unknown>;

export function passed(wait: Wait, sleep: Sleep, signal: AbortSignal): Promise<unknown> {
  if (typeof wait === "number") return until(sleep(wait, signal), signal);
  return "pass" in wait ? wait.pass(signal) : until(wait, signal);
}

/** What a promise comes to, unless the signal aborts first. */
export function until<T>(promise: T | PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    Promise.resolve(promise)
      .finally(() => signal.removeEventListener("abort", abort))
      .then(resolve, reject);
  });
}

/** Never resolves. Rejects when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<never> {
  return until<never>(new Promise(() => {}), signal);
}

/** Waits by the platform's timer, which an abort clears. */
export function timeout(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const clear = () => clearTimeout(timer);
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", clear);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", clear, { once: true });
  });
}

/** What `fetch` rejects with when the other side resets the connection. */
export function connectionReset(): TypeError {
  const cause = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", syscall: "read" });
  return new TypeError("fetch failed", { cause });
}
