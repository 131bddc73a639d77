import type { Database } from "./database.ts";

/** Runs a task in its turn; gives up waiting when the signal aborts. */
export type Enter = <R>(task: () => Promise<R>, signal: AbortSignal) => Promise<R>;

/** Who has the turn, and from when for how many ms. */
interface Lease {
  readonly owner: number;
  readonly since: number;
  readonly ms: number;
}

/**
 * Takes turns by a value in the database, which stands for `ms` and is renewed while the task runs. Where there is
 * no storage, nobody shares it, and the task simply runs. A turn that another has taken meanwhile rejects, and the
 * task runs on outside it. The lease of a page that is left ends by itself.
 */
export function createLease(key: IDBValidKey, ms: number, database: Database): Enter {
  /** Writes a lease over ours, and over another's where `isOver` says so. */
  function take(owner: number, isOver: (lease: Partial<Lease>) => boolean): Promise<boolean> {
    return database.transact(key, "readwrite", (found, values) => {
      const lease = Object(found) as Partial<Lease>;
      if (lease.owner !== owner && !isOver(lease)) return false;
      values.put({ owner, since: Date.now(), ms } satisfies Lease, key);
      return true;
    });
  }

  function drop(owner: number): Promise<unknown> {
    return database
      .transact(key, "readwrite", (found, values) => {
        if (Object(found).owner === owner) values.delete(key);
      })
      .catch(() => {});
  }

  async function turn(owner: number, signal: AbortSignal): Promise<void> {
    const isOver = createWatch();
    for (;;) {
      signal.throwIfAborted();
      const since = performance.now();
      const isOurs = await take(owner, isOver).catch((error: unknown) => {
        if (database.isThere(error)) throw error;
        return true;
      });
      if (signal.aborted) {
        if (isOurs) void drop(owner);
        throw signal.reason;
      }
      // A page that was frozen meanwhile has it no longer.
      if (isOurs && performance.now() < since + ms) return;
      await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 100));
    }
  }

  return async function enter(task, signal) {
    const owner = Math.random();
    await turn(owner, signal);
    let renewing: Promise<unknown> | undefined;
    let timer: unknown;
    const lost = new Promise<never>((_, reject) => {
      const renew = async () => {
        if (!(await take(owner, () => false))) reject(new Error("Another page has taken the turn over"));
      };
      timer = setInterval(() => {
        // What cannot be renewed now, may be the next time.
        renewing = renew().catch(() => {});
      }, ms / 3);
    });
    try {
      return await Promise.race([task(), lost]);
    } finally {
      clearInterval(timer as number);
      await renewing;
      // To a page that is being left, a transaction would close the back-forward cache.
      if (!signal.aborted) await drop(owner);
    }
  };
}

// A lease is over once it was seen unchanged for its ms, by the time of who looks: no clock that is set moves that.
function createWatch(): (lease: Partial<Lease>) => boolean {
  let seen: string | undefined;
  let from = 0;
  return ({ owner, since, ms = 0 }) => {
    const now = performance.now();
    const lease = `${owner} ${since}`;
    if (lease !== seen) from = now;
    seen = lease;
    return owner === undefined || !(now < from + ms);
  };
}
