import { listen, shown } from "./page.ts";

/** What a transaction does with the value that it found, and may yet write. */
type Work<R> = (found: unknown, values: IDBObjectStore) => R;

/** The sessions of this origin, one value a key. */
export interface Database {
  /** Runs `work` on what is stored under `key`, alone. Rejects when the browser stores nothing, or not this. */
  transact<R>(key: IDBValidKey, mode: IDBTransactionMode, work: Work<R>): Promise<R>;
  /** Whether it could ever be opened: else this page has no storage. */
  readonly isThere: boolean;
}

// Each transaction has a connection of its own, so that none is open when the page is left, the data cleared or
// the database upgraded.
export function createDatabase(): Database {
  async function once<R>(key: IDBValidKey, mode: IDBTransactionMode, work: Work<R>): Promise<R> {
    const over = new AbortController();
    let transaction: IDBTransaction | undefined;
    let left: Promise<unknown> | undefined;
    // Frozen with its page a reader would keep writers waiting, and the browser would drop the page for that.
    function leave(): void {
      left = shown();
      try {
        transaction?.abort();
      } catch {
        // It is over, and has only not said so yet.
      }
    }

    if (mode === "readonly") listen(globalThis, "pagehide", leave, over);
    const connection = await open();
    database.isThere = true;
    try {
      await left;
      return await new Promise<R>((resolve, reject) => {
        // Strict: a refresh token that the server has rotated away is worth nothing after a power cut.
        const begun = connection.transaction(VALUES, mode, { durability: "strict" });
        transaction = begun;
        const values = begun.objectStore(VALUES);
        const reading = values.get(key);
        let result: R;
        reading.onsuccess = () => {
          try {
            result = work(reading.result, values);
          } catch (error) {
            reject(error);
            begun.abort();
          }
        };
        begun.oncomplete = () => resolve(result);
        begun.onabort = () => reject(begun.error);
      });
    } finally {
      await left;
      over.abort();
      connection.close();
    }
  }

  const database = {
    isThere: false,
    // Once more, since browsers drop connections: when data is cleared, when a process of theirs ends.
    transact: <R>(...call: [IDBValidKey, IDBTransactionMode, Work<R>]) =>
      once(...call).catch(() => once(...call)),
  };
  return database;
}

const VALUES = "sessions";

function open(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("freshtoken", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(VALUES);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}
