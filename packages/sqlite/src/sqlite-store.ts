/// <reference types="node" />

import { createHash } from "node:crypto";
import { resolve } from "node:path";
import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { follow, look, probe, read, type View, write } from "./data-file.ts";
import type { Row } from "./database.ts";
import { engine } from "./engine.ts";
import { locked } from "./lock.ts";
import { patiently } from "./patience.ts";

export interface SqliteStoreOptions {
  /**
   * The data file. It is created, for its owner alone, when the store is first used; its folder must be there. Other
   * files are put beside it, whose names begin with its own. On a disk of this machine: locks of network file systems
   * cannot be relied on.
   */
  readonly file: string;
  /** Which session of the file: each has a record and an exclusive section of its own. @default "default" */
  readonly name?: string | undefined;
}

/**
 * Keeps a session in a file that all processes of one machine can share: they refresh one at a time, and each takes over
 * what another has stored.
 *
 * Stores of one file share a connection, which is open while a session uses it; there is nothing to close but the session.
 * Keeps no process alive, but for a load or a save until it is done: who waits for the exclusive section without a session
 * must do that itself. The section is entered only where a record can be written.
 *
 * @throws TypeError for wrong options, and an Error that says so on a Node without `node:sqlite`.
 *
 * @example
 * ```ts
 * import { createSession } from "@freshtoken/core";
 * import { sqliteStore } from "@freshtoken/sqlite";
 *
 * const session = createSession({ store: sqliteStore({ file: "session.db" }), refresh });
 * ```
 */
export function sqliteStore(options: SqliteStoreOptions): SessionStore {
  const { file, name } = checked(options);
  engine();
  const path = resolve(file);
  const view: View = { name: hashOf(name), listeners: new Set(), told: undefined };
  let saved: Promise<unknown> = Promise.resolve();
  let unfollow = () => {};

  return {
    async load() {
      const row = await patiently(() => read(path, view.name));
      return row ? recordIn(row) : null;
    },
    // In the order of the calls, also where the file is locked for a moment.
    save(record, expected) {
      const row = record ? rowOf(record) : undefined;
      const saving = saved.then(() => patiently(() => write(path, view, row, expected)));
      saved = saving.catch(() => {});
      return saving;
    },
    exclusive(task, { signal }) {
      // What a refresh brings where nothing can be saved is one process's alone, and the next one redeems a token that was
      // rotated away.
      const probed = async () => {
        await patiently(() => probe(path, view.name), signal);
        return task();
      };
      return locked(`${path}-${view.name}.lock`, probed, signal, () => look(path));
    },
    subscribe(changed) {
      const listener = { changed };
      if (view.listeners.size === 0) unfollow = follow(path, view);
      view.listeners.add(listener);
      return () => {
        if (view.listeners.delete(listener) && view.listeners.size === 0) unfollow();
      };
    },
  };
}

function checked(options: SqliteStoreOptions): { file: string; name: string } {
  const { file, name = "default" } = Object(options) as SqliteStoreOptions;
  if (!isText(file) || file === ":memory:") {
    throw new TypeError(`\`file\` is the path of a file, not ${file === ":memory:" ? file : kindOf(file)}`);
  }
  if (!isText(name)) throw new TypeError(`\`name\` is a text, not ${kindOf(name)}`);
  return { file, name };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

function kindOf(value: unknown): string {
  if (value === "") return "an empty one";
  return typeof value === "string" ? "one with a NUL in it" : value === null ? "null" : typeof value;
}

// Names may be those of users, and of any length.
function hashOf(name: string): string {
  return createHash("sha256").update(name).digest("hex").slice(0, 32);
}

function rowOf({ family, generation, tokens }: SessionRecord): Row {
  return { family, generation, tokens: JSON.stringify(tokens) };
}

// Whether it is a record is for the session to judge. A parser would quote what it could not read.
function recordIn({ family, generation, tokens }: Row): SessionRecord {
  try {
    return { family, generation, tokens: JSON.parse(tokens) };
  } catch {
    return { family, generation, tokens: null as never };
  }
}
