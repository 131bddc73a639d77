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
 * task runs on outside it.
 */
export function createLease(key: IDBValidKey, ms: number, database: Database): Enter {
  function take(owner: number, isRenewal = false): Promise<boolean> {
    return database.transact(key, "readwrite", (found, values) => {
      const since = Date.now();
      const lease = Object(found) as Partial<Lease>;
      const isOurs = lease.owner === owner;
      if (isRenewal ? !isOurs : !isOurs && isStanding(lease, since)) return false;
      values.put({ owner, since, ms } satisfies Lease, key);
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
    for (;;) {
      const since = Date.now();
      const isOurs = await take(owner).catch((error: unknown) => {
        if (database.isThere) throw error;
        return true;
      });
      if (signal.aborted) {
        void drop(owner);
        throw signal.reason;
      }
      // A page that was frozen meanwhile has it no longer.
      if (isOurs && isStanding({ since, ms }, Date.now())) return;
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
        if (!(await take(owner, true))) reject(new Error("Another page has taken the turn over"));
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
      await drop(owner);
    }
  };
}

// Nor does it stand where the clock was set back behind it.
function isStanding({ since = 0, ms = 0 }: Partial<Lease>, now: number): boolean {
  return now >= since && now < since + ms;
}
