import fs, { mkdirSync, utimesSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
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
  onTestFinished(() => host.end());
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
