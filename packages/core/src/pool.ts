import { closedError } from "./errors.ts";
import { kindOf } from "./kind.ts";
import type { SessionOptions } from "./options.ts";
import { type OpenSession, openSession, type Session } from "./session.ts";

export interface SessionPoolOptions {
  /**
   * Says how the session of one user is made: each with a store of its own, which outlives it. Asked when the pool has
   * none of that id.
   */
  options(id: string): SessionOptions;
  /** How many sessions are kept open, unless more of them are busy. @default 1_000 */
  max?: number | undefined;
}

/** The sessions of many users in one process: as many as are in use, and some more. */
export interface SessionPool {
  /**
   * Returns the session of one user: the same to all who ask for it, until it was idle for so long that others took its
   * place. Get it anew for every piece of work, and do not keep it.
   * @throws SignedOutError when the pool was closed
   * @throws TypeError when the id is not a text, or the options are wrong
   */
  get(id: string): Session;
  /** How many are open. */
  readonly size: number;
  /** Closes them all: lets refreshes in flight and their saves end. */
  close(): Promise<void>;
}

// How many are looked at for one that is idle, each time that another is opened.
const LOOKS = 8;

/**
 * Creates a pool: one session for each user of a server. The least recently used is closed first, yet never one that
 * somebody waits for, that a request or a refresh goes through, or whose tokens are not stored yet.
 *
 * @throws TypeError that names the option that is wrong, and what arrived
 * @example
 * import { memoryStore, type SessionStore, sessionPool } from "@freshtoken/core";
 *
 * const stores = new Map<string, SessionStore>(); // in earnest: a store that outlives the process
 * const pool = sessionPool({
 *   options: (id) => ({
 *     store: stores.get(id) ?? stores.set(id, memoryStore()).get(id),
 *     refresh: ({ refreshToken, signal }) =>
 *       fetch("https://login.example.com/token", {
 *         method: "POST",
 *         body: new URLSearchParams({ grant_type: "refresh_token", client_id: "web", refresh_token: refreshToken }),
 *         signal,
 *       }),
 *   }),
 * });
 * const { accessToken } = await pool.get("alice").tokens();
 */
export function sessionPool({ options, max = 1_000 }: SessionPoolOptions): SessionPool {
  if (typeof options !== "function")
    throw new TypeError(
      `\`options\` is a function of an id that returns session options, not ${kindOf(options)}`,
    );
  if (!Number.isSafeInteger(max) || max < 1)
    throw new TypeError(
      `\`max\` is a number of sessions, 1 or more, not ${typeof max === "number" ? max : kindOf(max)}`,
    );
  // A Map keeps insertion order: the least recently used comes first.
  const opened = new Map<string, OpenSession>();
  let isClosed = false;

  function makeRoom(): void {
    let looks = 0;
    for (const [id, open] of opened) {
      if (opened.size < max || looks++ === LOOKS) return;
      opened.delete(id);
      // One that is busy is in use.
      if (open.isBusy()) opened.set(id, open);
      else void open.session.close();
    }
  }

  return {
    get(id) {
      if (isClosed) throw closedError();
      if (typeof id !== "string" || id === "")
        throw new TypeError(`the id of a session is a text, not ${id === "" ? "an empty one" : kindOf(id)}`);
      const open = opened.get(id) ?? openSession(options(id));
      opened.delete(id);
      makeRoom();
      opened.set(id, open);
      return open.session;
    },
    get size() {
      return opened.size;
    },
    async close() {
      isClosed = true;
      const sessions = [...opened.values()].map(({ session }) => session.close());
      opened.clear();
      await Promise.all(sessions);
    },
  };
}
