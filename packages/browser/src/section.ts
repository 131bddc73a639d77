import type { SessionStore } from "@freshtoken/core";
import type { Enter } from "./lease.ts";
import { listen, shown } from "./page.ts";

type Exclusive = NonNullable<SessionStore["exclusive"]>;

/**
 * Takes turns by a Web Lock, and where the browser has none to give, by a lease. A section ends when its page is
 * left, or after `longest` ms: its task runs on outside it. A page that is left, or frozen, while it waits for its
 * turn, waits again when it is shown, or goes on.
 */
export function createSection(name: string, longest: number, lease: Enter): Exclusive {
  return async function exclusive<R>(
    task: () => Promise<R>,
    { signal }: { signal: AbortSignal },
  ): Promise<R> {
    signal.throwIfAborted();
    const over = new AbortController();
    let left: Promise<unknown> | undefined;
    const waiting = new AbortController();
    let timer: unknown;

    function giveUp(): void {
      over.abort(signal.reason);
    }

    function end(): void {
      over.abort(new Error("Section ended"));
    }

    async function inside(): Promise<R> {
      // A turn may come although it was given up.
      over.signal.throwIfAborted();
      waiting.abort();
      timer = setTimeout(end, longest);
      return new Promise((resolve, reject) => {
        over.signal.onabort = () => reject(over.signal.reason);
        task().then(resolve, reject);
      });
    }

    signal.addEventListener("abort", giveUp, waiting);
    // Frozen it would be given a turn that it can neither use nor hand on. One that it has already, it keeps.
    listen(
      waiting,
      () => {
        left = shown();
        end();
      },
      "pagehide",
      "freeze",
    );
    listen(over, end, "pagehide");
    try {
      return await enter(inside, over.signal);
    } catch (error) {
      if (!left) throw error;
    } finally {
      clearTimeout(timer as number);
      waiting.abort();
      over.abort();
    }
    await left;
    return exclusive(task, { signal });
  };

  // Insecure origins have no locks, opaque ones may not ask for them, and some engines gave null. Those of a server
  // are its whole process's: there nobody shares a session.
  async function enter<R>(task: () => Promise<R>, signal: AbortSignal): Promise<R> {
    let isAnswered = false;
    try {
      if (globalThis.indexedDB && globalThis.navigator?.locks)
        return await navigator.locks.request(name, { signal }, (lock) => {
          isAnswered = true;
          return lock ? task() : lease(task, signal);
        });
    } catch (error) {
      if (isAnswered || !/^Security/.test(String(error))) throw error;
    }
    return lease(task, signal);
  }
}
