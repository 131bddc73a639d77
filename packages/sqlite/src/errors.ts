/// <reference types="node" />
import { basename, dirname } from "node:path";

/** What kept the store from its work. */
type Trouble = "busy" | "readonly" | "io" | "corrupt" | "full" | "cannotOpen" | "notOurs" | "noFolder";

/** The store could not do what it was asked for. Says with which file, and what to do next; never what was stored. */
export class SqliteStoreError extends Error {
  override readonly name = "SqliteStoreError";
  /** `ERR_SQLITE_BUSY`, `ERR_SQLITE_FULL` … */
  readonly code: string;

  constructor(trouble: Trouble, file: string, cause?: unknown) {
    super(`${file} ${SAID[trouble](file)}`, cause === undefined ? {} : { cause });
    this.code = CODES[trouble];
  }
}

const CODES: Readonly<Record<Trouble, string>> = {
  busy: "ERR_SQLITE_BUSY",
  readonly: "ERR_SQLITE_READONLY",
  io: "ERR_SQLITE_IO",
  corrupt: "ERR_SQLITE_CORRUPT",
  full: "ERR_SQLITE_FULL",
  cannotOpen: "ERR_SQLITE_CANNOT_OPEN",
  notOurs: "ERR_SQLITE_NOT_OURS",
  noFolder: "ERR_SQLITE_NO_FOLDER",
};

const beside = (file: string) => `${basename(file)}-wal and ${basename(file)}-shm`;

const SAID: Readonly<Record<Trouble, (file: string) => string>> = {
  busy: () =>
    "stayed locked: another process writes to it, and is stopped or stuck. Continue or end that process",
  readonly: (file) =>
    `cannot be written: let this user write to it, to ${beside(file)}, and to the folder they are in`,
  io: () => "could not be read or written: look at the disk it is on, and at the room that is left there",
  corrupt: (file) =>
    `is damaged, and was left as it is. With no process using it, move it away together with ${beside(file)}, and sign in again`,
  full: () => "has no room left: free some on its disk. What could not be saved is saved again later",
  cannotOpen: (file) =>
    `cannot be opened: it must be a file that this user can read and write, also ${beside(file)} and the folder they are in`,
  notOurs: () =>
    "is not a file of sqliteStore(), or of another version of it, and was left as it is: give the store a file of its own",
  noFolder: (file) =>
    `has no folder to be in: create ${dirname(file)}, for this user alone (0700), before the store is used`,
};

// The primary result codes of SQLite: the lowest byte of what it reports.
const RESULTS: Readonly<Record<number, Trouble>> = {
  5: "busy",
  6: "busy",
  8: "readonly",
  10: "io",
  11: "corrupt",
  13: "full",
  14: "cannotOpen",
  26: "notOurs",
};

const SYSTEM: Readonly<Record<string, Trouble>> = {
  ENOENT: "noFolder",
  ENOTDIR: "noFolder",
  EACCES: "cannotOpen",
  EPERM: "cannotOpen",
  EROFS: "readonly",
  ENOSPC: "full",
  EDQUOT: "full",
  EIO: "io",
};

function troubleIn(error: unknown): Trouble | undefined {
  const { errcode, code } = Object(error);
  return typeof errcode === "number" ? RESULTS[errcode & 0xff] : SYSTEM[code];
}

/** Another process has locked what is wanted: it may be free the next moment. */
export function isBusy(error: unknown): boolean {
  return troubleIn(error) === "busy" || Object(error).code === CODES.busy;
}

/** Says which file an error is about, and what to do. What is no trouble of SQLite's or the system's stays as it is. */
export function explained(error: unknown, file: string): unknown {
  const trouble = troubleIn(error);
  return trouble ? new SqliteStoreError(trouble, file, error) : error;
}
