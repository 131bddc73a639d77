import type { SessionRecord, SessionStore } from "@freshtoken/core";
import type { Database } from "./database.ts";

/** A write, and what the database must hold for it. Undefined: whatever it holds. */
interface Write {
  readonly record: SessionRecord | null;
  expected: SessionRecord | null | undefined;
}

/**
 * The record of one session: in the database, and what that does not take, in memory. `wrote` hears what the
 * database has taken.
 */
export function createRecord(
  key: string,
  database: Database,
  wrote: (record: SessionRecord | null) => void,
): Pick<SessionStore, "load" | "save"> {
  // What the database did not take. It is served here, and goes there as soon as it can, unless another was first.
  let kept: Write | undefined;

  async function load(): Promise<SessionRecord | null> {
    try {
      if (kept) await write(kept);
      if (!kept) return await database.transact(key, "readonly", (found) => nothing(found));
    } catch (error) {
      // A database that opened before is there still: then it failed, and that says nothing of the session.
      if (!kept && database.isThere) throw error;
    }
    return kept?.record ?? null;
  }

  async function save(record: SessionRecord | null, expected?: SessionRecord | null): Promise<boolean> {
    const before = kept;
    if (before && expected !== undefined && !isSame(before.record, expected)) return false;
    // What follows on what is kept, goes where that was to go.
    const wanted = { record, expected: before && expected !== undefined ? before.expected : expected };
    try {
      return await write(wanted);
    } catch (error) {
      kept = wanted;
      // Said once: from here on it is memory that stores.
      if (before) return true;
      throw error;
    }
  }

  async function write(wanted: Write): Promise<boolean> {
    const before = kept;
    const { record } = wanted;
    const isTaken = await database.transact(key, "readwrite", (found, values) => {
      // Whatever it held: tried again later, it must not have become another's since.
      if (wanted.expected === undefined) wanted.expected = nothing(found);
      // A sign-out leaves a null. Where there is nothing at all, the user or the browser has cleared it: what a
      // server has just issued serves this page, and is not written again.
      else if (found === undefined && record && record.family === wanted.expected?.family)
        throw new Error(CLEARED);
      else if (!isSame(found, wanted.expected)) return false;
      values.put(record, key);
      return true;
    });
    if (kept === before) kept = undefined;
    if (isTaken) wrote(record);
    return isTaken;
  }

  return { load, save };
}

const CLEARED = "The data was cleared: only this page has the session";

function nothing(found: unknown): SessionRecord | null {
  return (found as SessionRecord | undefined) ?? null;
}

// What is no record counts as nothing, as it does when it is loaded.
function isSame(found: unknown, expected: SessionRecord | null): boolean {
  const { family, generation, tokens } = Object(found) as Partial<SessionRecord>;
  return tokens ? family === expected?.family && generation === expected?.generation : !expected;
}
