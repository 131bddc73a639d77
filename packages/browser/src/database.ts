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
  let isThere = false;

  async function once<R>(key: IDBValidKey, mode: IDBTransactionMode, work: Work<R>): Promise<R> {
    const database = await open();
    isThere = true;
    try {
      return await new Promise<R>((resolve, reject) => {
        // Strict: a refresh token that the server has rotated away is worth nothing after a power cut.
        const transaction = database.transaction(VALUES, mode, { durability: "strict" });
        const values = transaction.objectStore(VALUES);
        const reading = values.get(key);
        let done: () => void;
        reading.onsuccess = () => {
          try {
            const result = work(reading.result, values);
            done = () => resolve(result);
          } catch (error) {
            reject(error);
            transaction.abort();
          }
        };
        transaction.oncomplete = () => done();
        transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  }

  return {
    // Once more, since browsers drop connections: when data is cleared, when a process of theirs ends.
    transact: (...call) => once(...call).catch(() => once(...call)),
    get isThere() {
      return isThere;
    },
  };
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
