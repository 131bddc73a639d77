import type { SessionStore } from "@freshtoken/core";
import type { Enter } from "./lease.ts";
import { listen, shown } from "./page.ts";

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
    let isLeft = false;
    let isRunning = false;
    let timer: unknown;

    function giveUp(): void {
      if (!isRunning) over.abort(signal.reason);
    }

    function end(): void {
      over.abort(new Error("The section ended early"));
    }

    function leave(): void {
      isLeft = true;
      end();
    }

    function inside(): Promise<R> {
      return new Promise((resolve, reject) => {
        const ended = () => reject(over.signal.reason);
        // A turn may come although it was given up.
        if (over.signal.aborted) return ended();
        isRunning = true;
        timer = setTimeout(end, longest);
        over.signal.onabort = ended;
        task().then(resolve, reject);
      });
    }

    listen(signal, "abort", giveUp, over);
    listen(globalThis, "pagehide", leave, over);
    try {
      return await enter(inside, over.signal);
    } catch (error) {
      if (!isLeft || isRunning) throw error;
    } finally {
      clearTimeout(timer as number);
      over.abort();
    }
    await shown();
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
