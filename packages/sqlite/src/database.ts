/// <reference types="node" />

import type { DatabaseSync } from "node:sqlite";
import type { SessionRecord } from "@freshtoken/core";
import { engine } from "./engine.ts";
import { SqliteStoreError } from "./errors.ts";
import { createPrivately, identityOf } from "./private-file.ts";

/** A record as it lies in the file. */
export interface Row {
  readonly family: string;
  readonly generation: number;
  /** As JSON. */
  readonly tokens: string;
}

/** What a record is told from another by. Null: nothing. */
export type Mark = Pick<SessionRecord, "family" | "generation"> | null;

/** Which records were written, and removed. */
interface Changes {
  /** Undefined: so many that nobody knows. */
  readonly names: ReadonlySet<string> | undefined;
  readonly last: number;
}

/** A connection to a data file. Whatever it does is done when it returns; it throws where the file is locked. */
export interface Database {
  /** Which file it is: another may have taken its name. */
  readonly identity: string | undefined;
  read(name: string): Row | undefined;
  /** Writes where the file holds what is expected; undefined: whatever it holds. Says whether it did. */
  write(name: string, row: Row | undefined, expected: Mark | undefined): boolean;
  /** Writes what is there once more, so that it throws where nothing can be written. */
  probe(name: string): void;
  /** True: a transaction was begun, failed, and is still open. */
  isWriting(): boolean;
  /** Another number as soon as another connection has written. */
  version(): unknown;
  /** What was written after the change of that number. */
  changesSince(number: number): Changes;
  close(): void;
}

// "FTkn"
const APPLICATION = 0x46546b6e;
const SCHEMA = 1;
// So many changes are remembered: who has not looked for longer looks at everything.
const REMEMBERED = 1_000;

/** Opens a data file, and makes it one where it is new. */
export function openDatabase(path: string): Database {
  createPrivately(path);
  const identity = identityOf(path);
  const database = new (engine().DatabaseSync)(path, { timeout: 0 });
  try {
    prepare(database, path);
    return {
      identity,
      ...operations(database),
      isWriting: () => database.isTransaction,
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepare(database: DatabaseSync, path: string): void {
  // A commit is on the disk before it ends: a refresh token that was rotated away must not come back after a crash.
  database.exec("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
  const isThere = isOurs(database, path);
  try {
    // A copy that was put in the place of the file has lost its log.
    database.exec("PRAGMA journal_mode = WAL");
  } catch (error) {
    // It can be read without, and whoever opens it next tries again.
    if (!isThere) throw error;
  }
  if (isThere) return;
  transact(database, () => {
    // Another process may have been faster.
    if (isOurs(database, path)) return;
    database.exec(`
      CREATE TABLE session (
        name TEXT PRIMARY KEY, family TEXT NOT NULL, generation INTEGER NOT NULL, tokens TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE change (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
      PRAGMA application_id = ${APPLICATION};
      PRAGMA user_version = ${SCHEMA};
    `);
  });
}

/** False: it is empty, and may become ours. */
function isOurs(database: DatabaseSync, path: string): boolean {
  const read = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0];
  const application = read("PRAGMA application_id");
  const schema = read("PRAGMA user_version");
  if (application === APPLICATION && schema === SCHEMA) return true;
  const isEmpty = application === 0 && schema === 0 && read("SELECT count(*) FROM sqlite_schema") === 0;
  if (!isEmpty) throw new SqliteStoreError("notOurs", path);
  return false;
}

function operations(
  database: DatabaseSync,
): Pick<Database, "read" | "write" | "probe" | "version" | "changesSince"> {
  const select = database.prepare("SELECT family, generation, tokens FROM session WHERE name = ?");
  const replace = database.prepare(
    "REPLACE INTO session (name, family, generation, tokens) VALUES (?, ?, ?, ?)",
  );
  const remove = database.prepare("DELETE FROM session WHERE name = ?");
  const note = database.prepare("INSERT INTO change (name) VALUES (?)");
  const trim = database.prepare("DELETE FROM change WHERE number <= ?");
  const changes = database.prepare("SELECT number, name FROM change WHERE number > ? ORDER BY number");
  const version = database.prepare("PRAGMA data_version");
  const sign = database.prepare(`PRAGMA user_version = ${SCHEMA}`);
  const clear = database.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  const read = (name: string) => select.get(name) as Row | undefined;

  function write(name: string, row: Row | undefined, expected: Mark | undefined): boolean {
    const isWritten = transact(database, () => {
      if (expected !== undefined && !isSame(read(name), expected)) return false;
      if (row) replace.run(name, row.family, row.generation, row.tokens);
      else remove.run(name);
      trim.run(Number(note.run(name).lastInsertRowid) - REMEMBERED);
      return true;
    });
    if (isWritten && !row) forget();
    return isWritten;
  }

  // No change that anybody hears of. The signature is written also where there is no record.
  function probe(name: string): void {
    transact(database, () => {
      const row = read(name);
      if (row) replace.run(name, row.family, row.generation, row.tokens);
      sign.run();
    });
  }

  function changesSince(number: number): Changes {
    const found = changes.all(number) as { number: number; name: string }[];
    const isWhole = found.length === 0 || found[0]?.number === number + 1;
    const names = isWhole ? new Set(found.map(({ name }) => name)) : undefined;
    return { names, last: found.at(-1)?.number ?? number };
  }

  // What was removed is still in the log. Where somebody reads that just now, it stays until the next time.
  function forget(): void {
    try {
      clear.get();
    } catch {}
  }

  return { read, write, probe, version: () => version.get()?.data_version, changesSince };
}

function isSame(found: Row | undefined, expected: Mark): boolean {
  return found?.family === expected?.family && found?.generation === expected?.generation;
}

// What fails in it leaves it open: the connection is closed then, which takes everything back.
function transact<R>(database: DatabaseSync, work: () => R): R {
  database.exec("BEGIN IMMEDIATE");
  const result = work();
  database.exec("COMMIT");
  return result;
}
