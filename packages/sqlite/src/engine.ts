/// <reference types="node" />

/** The SQLite that comes with Node. Only from here on anything of it is loaded. */
export function engine(): typeof import("node:sqlite") {
  const found = process.getBuiltinModule?.("node:sqlite");
  if (!found) {
    throw new Error(
      `sqliteStore() needs node:sqlite, which comes with Node 24: this is ${process.version}. Run it with Node 24 or newer`,
    );
  }
  return found;
}
