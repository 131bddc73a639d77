/// <reference types="node" />
import { type FSWatcher, utimesSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import { type Database, type Mark, openDatabase, type Row } from "./database.ts";
import { explained, isBusy } from "./errors.ts";
import { identityOf } from "./private-file.ts";

/** One store, as the file knows it: what it calls itself, and who wants to hear of others' writes. */
export interface View {
  readonly name: string;
  readonly listeners: Set<{ changed(): void }>;
  /** What its listeners were told of last. Undefined: of nothing so far. */
  told: Mark | undefined;
}

/** What this thread has of a data file that it uses: one connection, whatever stores there are. */
interface DataFile {
  readonly path: string;
  /** By name. */
  readonly views: Map<string, Set<View>>;
  database: Database | undefined;
  /** What the views were told of last, as `data_version` and as the number of the change. */
  seen: { readonly version: unknown; readonly change: number } | undefined;
  watcher: FSWatcher | undefined;
  /** Closes the connection, when nobody has used it for a while. */
  readonly idle: NodeJS.Timeout;
}

const files = new Map<string, DataFile>();

// How long an unused connection stays open, in ms.
const LINGER = 1_000;

/** Reads a record. Throws where the file is locked. */
export function read(path: string, name: string): Row | undefined {
  return using(path, (database, file) => {
    hint(file);
    return database.read(name);
  });
}

/** Writes a record where the file holds what is expected, and tells the other stores of this thread. Throws where the file is locked. */
export function write(path: string, view: View, row: Row | undefined, expected: Mark | undefined): boolean {
  return using(path, (database, file) => {
    const isWritten = database.write(view.name, row, expected);
    if (isWritten) {
      view.told = markOf(row);
      for (const other of file.views.get(view.name) ?? []) tell(other, row);
      touch(path);
    }
    return isWritten;
  });
}

/** Makes sure that a record can be written now. Throws where it cannot, and where the file is locked. */
export function probe(path: string, name: string): void {
  using(path, (database) => database.probe(name));
}

// What SQLite writes is seen before it counts, and the commit itself is not seen at all: it only changes memory.
function touch(path: string): void {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // A file of another user's. Its sessions hear of this when they next use the store.
  }
}

/** Tells of what others have written by now, if anybody wants to hear that. */
export function look(path: string): void {
  const file = files.get(path);
  if (!file || file.views.size === 0) return;
  try {
    using(path, () => hint(file));
  } catch {
    // Who waits finds out what is wrong when its turn has come.
  }
}

/** Tells a view of what others write from now on. Returns its undo. */
export function follow(path: string, view: View): () => void {
  const file = fileAt(path);
  const namesakes = file.views.get(view.name) ?? new Set();
  file.views.set(view.name, namesakes.add(view));
  observe(file);
  return () => {
    namesakes.delete(view);
    if (namesakes.size === 0) file.views.delete(view.name);
    if (file.views.size > 0) return;
    unobserve(file);
    file.idle.refresh();
  };
}

/** How many follow a file in this thread. */
export function followers(path: string): number {
  return [...(files.get(path)?.views.values() ?? [])].reduce((count, { size }) => count + size, 0);
}

function fileAt(path: string): DataFile {
  const known = files.get(path);
  if (known) return known;
  const file: DataFile = {
    path,
    views: new Map(),
    database: undefined,
    seen: undefined,
    watcher: undefined,
    idle: setTimeout(() => letGo(file), LINGER).unref(),
  };
  files.set(path, file);
  return file;
}

// A session that may be told keeps its connection: to close the last one writes to the file, of which all would be told.
function letGo(file: DataFile): void {
  if (file.views.size > 0) return;
  files.delete(file.path);
  disconnect(file);
}

function disconnect(file: DataFile): void {
  file.database?.close();
  file.database = undefined;
  file.seen = undefined;
}

function using<R>(path: string, work: (database: Database, file: DataFile) => R): R {
  const file = fileAt(path);
  file.idle.refresh();
  try {
    // Who deletes the file wants another one; who puts back a copy wants that.
    if (file.database && file.database.identity !== identityOf(path)) {
      disconnect(file);
      // Its folder may be another one, too, of which this watcher tells nothing.
      unobserve(file);
    }
    if (file.views.size > 0) observe(file);
    file.database ??= openDatabase(path);
    return work(file.database, file);
  } catch (error) {
    // A connection that was opened to a read-only file stays so: whoever puts that right is heard with the next one.
    // A transaction that failed is taken back, also one that a reader did not let end, where the file has no log.
    if (!isBusy(error) || file.database?.isWriting()) disconnect(file);
    throw explained(error, path);
  }
}

// The system tells when somebody writes, so that an idle session costs nothing. Where it cannot, a session is told when
// it next uses the store, or waits for its turn.
function observe(file: DataFile): void {
  if (file.watcher) return;
  const own = basename(file.path);
  try {
    const watcher = watch(dirname(file.path), { persistent: false }, (_, name) => {
      if (name === null || name === own) notice(file);
    });
    watcher.on("error", () => {
      watcher.close();
      file.watcher = undefined;
    });
    file.watcher = watcher;
  } catch {}
}

function unobserve(file: DataFile): void {
  file.watcher?.close();
  file.watcher = undefined;
}

// Where the file is locked, whoever wants to know loads, and waits for that. What else is wrong is for the next use to say.
function notice(file: DataFile): void {
  try {
    using(file.path, () => hint(file));
  } catch (error) {
    if (isBusy(error)) for (const namesakes of file.views.values()) namesakes.forEach(notify);
  }
}

function hint(file: DataFile): void {
  const { database, views, seen } = file;
  if (!database || views.size === 0) return;
  const version = database.version();
  if (seen?.version === version) return;
  const { names, last } = database.changesSince(seen?.change ?? 0);
  for (const name of (seen && names) ?? views.keys()) {
    for (const view of views.get(name) ?? []) tell(view, database.read(name));
  }
  file.seen = { version, change: last };
}

function tell(view: View, found: Row | undefined): void {
  const { told } = view;
  if (told !== undefined && told?.family === found?.family && told?.generation === found?.generation) return;
  view.told = markOf(found);
  notify(view);
}

function markOf(row: Row | undefined): Mark {
  return row ? { family: row.family, generation: row.generation } : null;
}

// In a stack of its own: a listener may use the store at once, and throw.
function notify({ listeners }: View): void {
  for (const listener of listeners) {
    queueMicrotask(() => {
      try {
        if (listeners.has(listener)) listener.changed();
      } catch {}
    });
  }
}
