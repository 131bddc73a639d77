import type { SessionRecord, SessionStore } from "@freshtoken/core";
import type { Database } from "./database.ts";

/** A write, and what the database must hold for it. Undefined: whatever it holds. */
interface Write {
  readonly record: SessionRecord | null;
  expected: SessionRecord | null | undefined;
}

/**
 * The record of one session: in the database, and what that does not take, in memory. `wrote` is called when
 * the database has taken one.
 */
export function createRecord(
  key: string,
  database: Database,
  wrote: () => void,
): Pick<SessionStore, "load" | "save"> {
  // What the database did not take. It is served here, and goes there as soon as it can, unless another was first.
  let kept: Write | undefined;

  async function load(): Promise<SessionRecord | null> {
    try {
      if (kept) await write(kept);
      if (!kept) return await database.transact(key, "readonly", asRecord);
    } catch (error) {
      // A database that is there and fails says nothing of the session.
      if (!kept && database.isThere(error)) throw error;
    }
    return kept?.record ?? null;
  }

  async function save(record: SessionRecord | null, expected?: SessionRecord | null): Promise<boolean> {
    const before = kept;
    const wanted = { record, expected };
    if (before && expected !== undefined) {
      if (!isSame(before.record, expected)) return false;
      // What follows on what is kept, goes where that was to go.
      wanted.expected = before.expected;
    }
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
    const attempt = (isDeletion?: boolean) =>
      database.transact(key, "readwrite", (found, values) => {
        // Whatever it held: tried again later, it must not have become another's since.
        if (wanted.expected === undefined) wanted.expected = asRecord(found);
        // A sign-out leaves a null. Where there is nothing at all, the user or the browser has cleared it: what a
        // server has just issued serves this page, and is not written again.
        else if (found === undefined && record && record.family === wanted.expected?.family)
          throw new Error("The data was cleared");
        else if (!isSame(found, wanted.expected)) return false;
        if (isDeletion) values.delete(key);
        else values.put(record, key);
        return true;
      });
    const isTaken = await attempt().catch((error: unknown) => {
      if (record) throw error;
      // Where there is no room even for a null, a sign-out must hold all the same: to delete needs none.
      return attempt(true);
    });
    if (isTaken) wrote();
    if (kept === before) kept = undefined;
    return isTaken;
  }

  return { load, save };
}

// What is no record counts as nothing, as it does when it is loaded.
function isSame(found: unknown, expected: SessionRecord | null): boolean {
  const record = asRecord(found);
  return record?.tokens
    ? record.family === expected?.family && record.generation === expected.generation
    : !expected;
}

const asRecord = (found: unknown) => (found ?? null) as SessionRecord | null;
