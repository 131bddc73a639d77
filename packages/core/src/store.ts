import type { Scheme } from "./scheme.ts";
import { readTokens, type TokenSet } from "./tokens.ts";

/** What a store keeps of one session. */
export interface SessionRecord {
  /** All token sets that came from one sign-in share it: a random id, kept through every refresh. */
  readonly family: string;
  /** Which token set of the family: 0, 1, 2 … */
  readonly generation: number;
  readonly tokens: TokenSet;
}

/**
 * Where a session is kept. `load` and `save` are enough; the other two share it with other tabs, processes
 * or machines.
 */
export interface SessionStore {
  /** Returns what is stored, or null. */
  load(): SessionRecord | null | Promise<SessionRecord | null>;
  /**
   * Stores a record; null removes it. With `expected`, writes only where the store still holds that family
   * and generation (null: nothing), and says whether it did.
   */
  save(
    record: SessionRecord | null,
    expected?: SessionRecord | null,
  ): boolean | void | Promise<boolean | void>;
  /**
   * Runs a task while nobody else who shares the store runs one; gives up waiting when the signal aborts. Rejects
   * where the section must end before its task, as when a page is left: the session then presents nothing more in it.
   */
  exclusive?<R>(task: () => Promise<R>, options: { signal: AbortSignal }): Promise<R>;
  /** Calls `changed` when others may have written: a hint to load again. Returns its undo. */
  subscribe?(changed: () => void): () => void;
}

/** Keeps the session in memory, for as long as the process or page lives. The default. */
export function memoryStore(): SessionStore {
  let stored: SessionRecord | null = null;
  return {
    load: () => stored,
    save(record, expected) {
      if (expected !== undefined && !sameRecord(stored, expected)) return false;
      stored = record;
      return true;
    },
  };
}

/** Tells whether two records are of the same family and generation, or both nothing. */
export function sameRecord(one: SessionRecord | null, other: SessionRecord | null): boolean {
  return one?.family === other?.family && one?.generation === other?.generation;
}

// Up to twice as many are counted exactly: where the next is the same again, a refresh would never have come.
const LAST = 2 ** 52;

/** Reads what a store returned. Throws a TypeError for a record that is foreign, old or malformed. */
export function readRecord(value: unknown, scheme: Scheme): SessionRecord | null {
  if (value === null || value === undefined) return null;
  const { family, generation, tokens } = Object(value) as Partial<SessionRecord>;
  const legal =
    typeof family === "string" &&
    family !== "" &&
    Number.isSafeInteger(generation) &&
    Number(generation) >= 0 &&
    Number(generation) < LAST;
  if (!legal) throw new TypeError("The stored record is not one of a session: it counts as nothing");
  return Object.freeze({
    family,
    generation: Number(generation),
    tokens: readTokens(tokens, scheme, Number.POSITIVE_INFINITY),
  });
}
