import { listen, shown } from "./page.ts";

/** What a transaction does with the value that it found, and may yet write. */
type Work<R> = (found: unknown, values: IDBObjectStore) => R;

/** The sessions of this origin, one value a key. */
export interface Database {
  /** Runs `work` on what is stored under `key`, alone. Rejects when the browser stores nothing, or not this. */
  transact<R>(key: IDBValidKey, mode: IDBTransactionMode, work: Work<R>): Promise<R>;
  /** Whether it failed with this error although it is there: else this page has no storage, for as long as it lives. */
  isThere(error: unknown): boolean;
}

// Each transaction has a connection of its own, so that none is open when the page is left, the data cleared or
// the database upgraded.
export function createDatabase(): Database {
  let wasThere = false;

  async function once<R>(key: IDBValidKey, mode: IDBTransactionMode, work: Work<R>): Promise<R> {
    const over = new AbortController();
    let connection: IDBDatabase | undefined;
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

    if (mode === "readonly") listen(over, leave, "pagehide");
    try {
      connection = await open();
      await left;
      // Strict: a refresh token that the server has rotated away is worth nothing after a power cut.
      const begun = connection.transaction("sessions", mode, { durability: "strict" });
      transaction = begun;
      wasThere = true;
      const values = begun.objectStore("sessions");
      const result = work(await ended(values.get(key)), values);
      await new Promise((resolve, reject) => {
        begun.oncomplete = resolve;
        begun.onabort = () => reject(begun.error);
      });
      return result;
    } finally {
      await left;
      over.abort();
      connection?.close();
    }
  }

  return {
    // Once more, since browsers drop connections: when data is cleared, when a process of theirs ends.
    transact: (...call) => once(...call).catch(() => once(...call)),
    // So says a browser that stores nothing for this page, or has another's database in that place (Chromium, where
    // the user denied it, with an UnknownError). All else passes.
    isThere: (error) =>
      wasThere ||
      (!/^(Security|InvalidState|Version|NotFound)|user denied/.test(String(error)) &&
        !!globalThis.indexedDB),
  };
}

function open(): Promise<IDBDatabase> {
  const opening = indexedDB.open("freshtoken", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("sessions");
  return ended(opening);
}

function ended<R>(request: IDBRequest<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
