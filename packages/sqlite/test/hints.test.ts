import fs, { mkdirSync, rmSync, utimesSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync, StatementSync } from "node:sqlite";
import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../src/database.ts";
import { sqliteStore } from "../src/index.ts";
import { inProcess, startHost } from "./remote-stores.ts";
import { newFile } from "./support.ts";

const f0: SessionRecord = { family: "f", generation: 0, tokens: { accessToken: "a0" } };
const f1: SessionRecord = { ...f0, generation: 1, tokens: { accessToken: "a1" } };
const { signal } = new AbortController();

/** A store as another process has it. */
function elsewhere(file: string): Promise<SessionStore> {
  const host = startHost(inProcess);
  onTestFinished(async () => void (await host.end()));
  return host.open(file);
}

/** The system tells of no file, as where there are too many watchers or the disk is another machine's. */
function watchNothing(): void {
  const { watch } = fs;
  const put = (replacement: typeof watch) => {
    fs.watch = replacement;
    syncBuiltinESMExports();
  };
  put(() => {
    throw Object.assign(new Error("ENOSPC: too many watchers"), { code: "ENOSPC" });
  });
  onTestFinished(() => put(watch));
}

/** Resolves at the next hint. */
function hinted(store: SessionStore): Promise<void> {
  return new Promise((resolve) => {
    const undo = store.subscribe?.(() => {
      undo?.();
      resolve();
    });
  });
}

test("tells who waits for the section of what another process saves in it, also where the system tells nothing", async () => {
  watchNothing();
  const file = newFile();
  const [store, other] = [sqliteStore({ file }), await elsewhere(file)];
  await store.save(f0);

  const hint = hinted(store);
  let waiting: unknown;
  await other.exclusive?.(
    async () => {
      waiting = store.exclusive?.(async () => {}, { signal });
      await other.save(f1);
      await hint;
    },
    { signal },
  );

  await waiting;
  expect(await store.load()).toStrictEqual(f1);
});

test("tells who loads of what another process has saved, also where the system tells nothing", async () => {
  watchNothing();
  const file = newFile();
  const [store, other] = [sqliteStore({ file }), await elsewhere(file)];
  await store.save(f0);
  const hint = hinted(store);
  await other.save(f1);

  await store.load();

  await hint;
});

test("hears of others as soon as the folder is there", async () => {
  const folder = newFile();
  const file = join(folder, "session.db");
  const [store, other] = [sqliteStore({ file }), await elsewhere(file)];
  const hint = hinted(store);
  mkdirSync(folder);
  await store.save(f0);

  await other.save(f1);

  await hint;
});

test("hears of others again once it has used a file whose folder was deleted and made anew", async () => {
  const folder = newFile();
  const file = join(folder, "session.db");
  mkdirSync(folder);
  const [store, other] = [sqliteStore({ file }), await elsewhere(file)];
  const undo = store.subscribe?.(() => {});
  await store.save(f0);
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  await store.load();
  const hint = hinted(store);

  await other.save(f1);

  await hint;
  undo?.();
});

test("tells to load where it cannot look, for a lock that another process has", async () => {
  const file = newFile();
  openDatabase(file).close();
  const store = sqliteStore({ file });
  const hint = hinted(store);
  const owner = new DatabaseSync(file);
  owner.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT");

  utimesSync(file, new Date(), new Date());

  await hint;
  const loaded = store.load();
  owner.close();
  expect(await loaded).toBe(null);
});

test("says nothing to a session of what was saved through its own store", async () => {
  const file = newFile();
  const [store, sibling] = [sqliteStore({ file }), sqliteStore({ file })];
  let own = 0;
  store.subscribe?.(() => void own++);

  await store.save(f0);
  const hint = hinted(sibling);
  await store.save(f1);
  await hint;

  expect(own).toBe(0);
});

/** What another process does with the file, in SQL. */
function meanwhile(file: string, sql: string): void {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
}

const written = `
  UPDATE session SET generation = generation + 1;
  INSERT INTO change (name) SELECT name FROM session;
`;

test("looks at nothing but what was written when another process saves one of 1,000 sessions", async () => {
  watchNothing();
  const file = newFile();
  const stores = Array.from({ length: 1_000 }, (_, index) => sqliteStore({ file, name: `user ${index}` }));
  const undos = stores.map((store) => store.subscribe?.(() => {}));
  await stores[7]?.save(f0);
  await stores[0]?.load();
  const { get } = StatementSync.prototype;
  onTestFinished(() => {
    StatementSync.prototype.get = get;
    for (const undo of undos) undo?.();
  });

  meanwhile(file, written);
  const hint = hinted(stores[7] as SessionStore);
  let asked = 0;
  StatementSync.prototype.get = function (...args) {
    asked += 1;
    return get.apply(this, args as never);
  };
  await stores[0]?.load();
  await hint;

  expect(asked).toBeLessThan(10);
});

test("tells of a change also after more of them than the file remembers", async () => {
  watchNothing();
  const file = newFile();
  const store = sqliteStore({ file });
  const undo = store.subscribe?.(() => {});
  await store.save(f0);
  await store.load();

  meanwhile(file, `${written} DELETE FROM change; INSERT INTO change VALUES (5000, 'other');`);
  const hint = hinted(store);
  await store.load();

  await hint;
  undo?.();
});

test("remembers the last 1,000 changes, and no more", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save(f0);
  meanwhile(file, "INSERT INTO change VALUES (1001, 'other')");

  await store.save(f1);

  const database = new DatabaseSync(file);
  const { count } = database.prepare("SELECT count(*) AS count FROM change").get() ?? {};
  database.close();
  expect(count).toBe(2);
});
