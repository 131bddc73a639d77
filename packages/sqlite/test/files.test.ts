import { execFileSync } from "node:child_process";
import fs, { readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SessionRecord } from "@freshtoken/core";
import { expect, onTestFinished, test } from "vitest";
import { sqliteStore } from "../src/index.ts";
import { createPrivately } from "../src/private-file.ts";
import { newFile } from "./support.ts";

const a0: SessionRecord = {
  family: "f",
  generation: 0,
  tokens: { accessToken: "secret.a0", refreshToken: "secret.r0" },
};
const a1: SessionRecord = { ...a0, generation: 1 };
const { signal } = new AbortController();

function beside(file: string): string[] {
  return readdirSync(dirname(file)).filter((name) => name.startsWith(basename(file)));
}

test("creates every file for its owner alone, from the first byte, whatever the umask", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  const modes = () => beside(file).map((name) => statSync(join(dirname(file), name)).mode & 0o777);
  const { exec } = DatabaseSync.prototype;
  const seen: number[] = [];
  const before = process.umask(0);
  // SQLite comes to nothing in a file that others may read: whenever it does something, all are closed to them.
  DatabaseSync.prototype.exec = function (sql) {
    seen.push(...modes());
    exec.call(this, sql);
    seen.push(...modes());
  };

  await store.save(a0);
  await store.exclusive?.(async () => {}, { signal });
  DatabaseSync.prototype.exec = exec;
  process.umask(before);

  expect(new Set([...seen, ...modes()])).toStrictEqual(new Set([0o600]));
  expect(beside(file)).toHaveLength(4);
});

test("creates it for its owner alone, too, where a file can have but one name", async () => {
  const file = newFile();
  const { linkSync } = fs;
  const put = (replacement: typeof linkSync) => {
    fs.linkSync = replacement;
    syncBuiltinESMExports();
  };
  onTestFinished(() => put(linkSync));
  put(() => {
    throw Object.assign(new Error("EPERM"), { code: "EPERM" });
  });

  await sqliteStore({ file }).save(a0);

  expect(beside(file).map((name) => statSync(join(dirname(file), name)).mode & 0o777)).toStrictEqual([
    0o600, 0o600, 0o600,
  ]);
});

test("leaves a file alone that is there, and its permissions", () => {
  const file = newFile();
  createPrivately(file);
  const { ino } = statSync(file);

  createPrivately(file);

  expect([statSync(file).ino, beside(file)]).toStrictEqual([ino, [basename(file)]]);
});

test("says nothing of a name in the names of files, nor in the file", async () => {
  const file = newFile();
  const store = sqliteStore({ file, name: "ada@example.com" });

  await store.save(a0);
  await store.exclusive?.(async () => {}, { signal });

  const all = beside(file).map((name) => name + readFileSync(join(dirname(file), name), "latin1"));
  expect(all.join()).not.toContain("ada");
});

test("keeps the records of 1,000 names in one file apart", async () => {
  const file = newFile();
  const stores = Array.from({ length: 300 }, (_, index) => sqliteStore({ file, name: `user ${index}` }));

  await Promise.all(stores.map((store, generation) => store.save({ ...a0, generation })));

  const loaded = await Promise.all(stores.map((store) => store.load()));
  expect(loaded.map((record) => record?.generation)).toStrictEqual(stores.map((_, index) => index));
});

test("leaves nothing of the tokens in any file after a sign-out", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save(a0);
  await store.save(a1);

  await store.save(null);

  const all = beside(file).map((name) => readFileSync(join(dirname(file), name), "latin1"));
  expect(all.join()).not.toContain("secret");
});

test("finds nothing, and saves again, where somebody has deleted the file", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save(a0);

  for (const name of beside(file)) rmSync(join(dirname(file), name));
  const found = await store.load();
  await store.save(a1);

  expect([found, await sqliteStore({ file }).load()]).toStrictEqual([null, a1]);
});

/** A copy of a file that holds a record, as `sqlite3 .backup` makes it: one file, which has no log. */
async function copyOf(record: SessionRecord): Promise<string> {
  const file = newFile();
  await sqliteStore({ file }).save(record);
  execFileSync(process.execPath, [
    "-e",
    `new (require("node:sqlite").DatabaseSync)(process.argv[1]).exec("VACUUM INTO '" + process.argv[2] + "'")`,
    file,
    `${file}.copy`,
  ]);
  return `${file}.copy`;
}

test("reads the copy that somebody has put in the place of the file", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save(a1);
  const copy = await copyOf(a0);
  for (const name of beside(file)) rmSync(join(dirname(file), name));

  renameSync(copy, file);

  expect(await store.load()).toStrictEqual(a0);
});

/** Another connection that is in the middle of reading. */
function reader(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  onTestFinished(() => {
    if (database.isOpen) database.close();
  });
  database.exec("BEGIN");
  database.prepare("SELECT * FROM session").all();
  return database;
}

test("saves to a copy while another process reads it", async () => {
  const file = await copyOf(a0);
  const store = sqliteStore({ file });
  await store.load();
  reader(file);

  expect(await store.save(a1, a0)).toBe(true);
  expect(await store.load()).toStrictEqual(a1);
});

test("loads a copy that another process was reading before, and saves to it when that is done", async () => {
  const file = await copyOf(a0);
  const another = reader(file);
  const store = sqliteStore({ file });

  const loaded = await store.load();
  const saved = store.save(a1, a0);
  await new Promise((resolve) => setTimeout(resolve, 50));
  another.close();

  expect([loaded, await saved]).toStrictEqual([a0, true]);
  expect(await store.load()).toStrictEqual(a1);
});

test("writes nothing to hold the lock", async () => {
  const file = newFile();
  const inside = await sqliteStore({ file }).exclusive?.(
    async () =>
      beside(file)
        .filter((name) => name.includes(".lock"))
        .map((name) => [name.slice(-5), statSync(join(dirname(file), name)).size]),
    { signal },
  );

  expect(inside).toStrictEqual([[".lock", 0]]);
});

test("holds the lock of the file that is there, where somebody deletes one in this moment", async () => {
  const file = newFile();
  const lockFile = () => join(dirname(file), beside(file).find((name) => name.endsWith(".lock")) ?? "none");
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    if (!sql.includes("BEGIN IMMEDIATE")) return exec.call(this, sql);
    DatabaseSync.prototype.exec = exec;
    rmSync(lockFile());
    exec.call(this, sql);
  };

  const another = await sqliteStore({ file }).exclusive?.(
    async () => {
      const database = new DatabaseSync(lockFile());
      try {
        database.exec("BEGIN IMMEDIATE");
      } catch (error) {
        return Object(error).errstr;
      } finally {
        database.close();
      }
    },
    { signal },
  );

  expect(another).toBe("database is locked");
});

test("keeps a record of the file's own that a session can judge where its tokens are damaged", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save(a0);
  const database = new DatabaseSync(file);
  database.exec(`UPDATE session SET tokens = '{"accessToken":"secret'`);
  database.close();

  expect(await store.load()).toStrictEqual({ ...a0, tokens: null });
});
