import { existsSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { type SqliteStoreOptions, sqliteStore } from "../src/index.ts";
import { newFile } from "./support.ts";

test.each([
  [undefined, "`file` is the path of a file, not undefined"],
  [{}, "`file` is the path of a file, not undefined"],
  [{ file: "" }, "`file` is the path of a file, not an empty one"],
  [{ file: ":memory:" }, "`file` is the path of a file, not :memory:"],
  [{ file: "a\0b" }, "`file` is the path of a file, not one with a NUL in it"],
  [{ file: null }, "`file` is the path of a file, not null"],
  [{ file: new URL("file:///session.db") }, "`file` is the path of a file, not object"],
  [{ file: "session.db", name: "" }, "`name` is a text, not an empty one"],
  [{ file: "session.db", name: 7 }, "`name` is a text, not number"],
])("refuses %j, naming the option and what arrived", (options, message) => {
  expect(() => sqliteStore(options as SqliteStoreOptions)).toThrow(new TypeError(message));
});

test("says which Node it needs where that has no node:sqlite", () => {
  const { getBuiltinModule } = process;
  onTestFinished(() => void Object.assign(process, { getBuiltinModule }));
  Object.assign(process, { getBuiltinModule: () => undefined });

  expect(() => sqliteStore({ file: "session.db" })).toThrow(
    `sqliteStore() needs node:sqlite, which comes with Node 24: this is ${process.version}. Run it with Node 24 or newer`,
  );
});

test("touches no file before it is used", () => {
  const file = newFile();

  sqliteStore({ file }).subscribe?.(() => {})();

  expect(existsSync(file)).toBe(false);
});
