import type { SessionStore } from "@freshtoken/core";
import type { Enter } from "./lease.ts";
import { listen } from "./page.ts";

type Exclusive = NonNullable<SessionStore["exclusive"]>;

/**
 * Takes turns by a Web Lock, and where the browser has none to give, by a lease. A section ends when its page is
 * left, or after `longest` ms: its task runs on outside it. A page that is left while it waits for its turn, waits
 * again when it is shown.
 */
export function createSection(name: string, longest: number, lease: Enter): Exclusive {
  return async function exclusive<R>(
    task: () => Promise<R>,
    { signal }: { signal: AbortSignal },
  ): Promise<R> {
    if (signal.aborted) throw signal.reason;
    const over = new AbortController();
    const settled = new AbortController();
    let isLeft = false;
    let isRunning = false;
    let timer: unknown;

    function giveUp(): void {
      if (!isRunning) over.abort(signal.reason);
    }

    function leave(): void {
      isLeft = true;
      over.abort(new Error("The page was left"));
    }

    function inside(): Promise<R> {
      return new Promise((resolve, reject) => {
        const end = () => reject(over.signal.reason);
        // A turn may come although it was given up.
        if (over.signal.aborted) return end();
        isRunning = true;
        timer = setTimeout(() => over.abort(new Error("The section took too long")), longest);
        over.signal.onabort = end;
        task().then(resolve, reject);
      });
    }

    listen(signal, "abort", giveUp, settled);
    listen(globalThis, "pagehide", leave, settled);
    try {
      return await enter(inside, over.signal);
    } catch (error) {
      if (!isLeft || isRunning) throw error;
    } finally {
      clearTimeout(timer as number);
      settled.abort();
    }
    await new Promise((shown) => addEventListener("pageshow", shown, { once: true }));
    return exclusive(task, { signal });
  };

  // Insecure origins have no locks, opaque ones may not ask for them, and some engines gave null.
  async function enter<R>(task: () => Promise<R>, signal: AbortSignal): Promise<R> {
    let isLocked = false;
    try {
      const done = await globalThis.navigator?.locks?.request(name, { signal }, async (lock) => {
        isLocked = !!lock;
        return isLocked && task();
      });
      if (isLocked) return done as R;
    } catch (error) {
      if (isLocked || Object(error).name !== "SecurityError") throw error;
    }
    return lease(task, signal);
  }
}
