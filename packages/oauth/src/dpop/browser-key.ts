import { generateKeyPair } from "oauth4webapi";
import { inTime } from "./deadline.ts";
import type { DPoPKey } from "./key.ts";

const DATABASE = "freshtoken";
const STORE = "dpop-keys";

/**
 * Keeps a key (ES256) in this origin's IndexedDB, under a name: every tab and worker has the same one, and no script
 * can read its private half, only sign with it. It outlives a sign-out, and the next sign-in uses it again.
 *
 * Where IndexedDB is not to be had, a request rejects with an `OAuthError`: `ERR_DPOP_KEY_UNAVAILABLE`.
 * @throws TypeError where the name is none
 * @example
 * ```ts
 * import { createOAuth } from "@freshtoken/oauth";
 * import { browserKey, dpop } from "@freshtoken/oauth/dpop";
 *
 * const oauth = createOAuth({
 *   issuer: "https://login.example.com",
 *   clientId: "spa",
 *   redirectUri: "https://app.example.com/callback",
 *   dpop: dpop({ key: browserKey("spa") }),
 * });
 * ```
 */
export function browserKey(name: string): DPoPKey {
  if (!name || typeof name !== "string")
    throw new TypeError(`the name of a key is a text, not ${typeof name}`);
  let reading: Promise<CryptoKeyPair | undefined> | undefined;

  // Requests that leave together read once. A database that does not answer is asked again by the next.
  function load(): Promise<CryptoKeyPair | undefined> {
    reading ??= inTime(() =>
      inStore<CryptoKeyPair | undefined>("readonly", (keys, found) => {
        keys.get(name).onsuccess = ({ target }) => found((target as IDBRequest).result);
      }),
    ).finally(() => {
      reading = undefined;
    });
    return reading;
  }

  // A transaction ends while a key is made, so that is done first:
  //   tab 1: make k1 ──▶ [ none there: k1 ] ──▶ k1
  //   tab 2: make k2 ─────────────────────────────▶ [ k1 is there ] ──▶ k1
  async function create(): Promise<CryptoKeyPair> {
    const made = await generateKeyPair("ES256");
    return inStore("readwrite", (keys, found) => {
      keys.get(name).onsuccess = ({ target }) => {
        const { result } = target as IDBRequest<CryptoKeyPair | undefined>;
        if (!result) keys.put(made, name);
        found(result ?? made);
      };
    });
  }

  return { load, create };
}

type Work<R> = (keys: IDBObjectStore, found: (result: R) => void) => void;

// Opened for each use: a connection that stays open stands in the way of whoever clears the site's data.
async function inStore<R>(mode: IDBTransactionMode, work: Work<R>): Promise<R> {
  const database = await opened();
  try {
    return await new Promise<R>((resolve, reject) => {
      let result: R;
      const transaction = database.transaction(STORE, mode);
      // Only what is stored counts.
      transaction.oncomplete = () => resolve(result);
      transaction.onabort = () => reject(transaction.error);
      work(transaction.objectStore(STORE), (found) => {
        result = found;
      });
    });
  } finally {
    database.close();
  }
}

function opened(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
