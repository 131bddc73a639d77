/// <reference types="node" />
import { randomUUID } from "node:crypto";
import { closeSync, existsSync, linkSync, openSync, statSync, unlinkSync } from "node:fs";

/**
 * Creates an empty file that its owner alone may read and write, unless there is one. What SQLite puts beside it
 * gets the same permissions.
 */
export function createPrivately(path: string): void {
  if (existsSync(path)) return;
  // To close a file drops all locks that the process has on it. Another thread may lock this one as soon as it has
  // its name, so it gets its name when it has been closed.
  const draft = `${path}-${randomUUID()}`;
  closeSync(openSync(draft, "wx", 0o600));
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!existsSync(path)) createPlainly(path, error);
  } finally {
    unlinkSync(draft);
  }
}

// Not every file system has a second name for a file.
function createPlainly(path: string, cause: unknown): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch {
    if (!existsSync(path)) throw cause;
  }
}

/** Tells a file from another that takes its name later. Undefined: there is none. */
export function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
