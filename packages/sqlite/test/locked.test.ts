import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { SessionRecord } from "@freshtoken/core";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { openDatabase } from "../src/database.ts";
import { sqliteStore } from "../src/index.ts";
import { inProcess, inThread, startHost } from "./remote-stores.ts";
import { newFile } from "./support.ts";

const record = (generation: number): SessionRecord => ({
  family: "f",
  generation,
  tokens: { accessToken: `a${generation}` },
});
afterEach(() => void vi.useRealTimers());

/** A data file to which another connection writes, and does not end. */
function lockedFile(): { file: string; unlock: () => void } {
  const file = newFile();
  openDatabase(file).close();
  const writer = new DatabaseSync(file);
  onTestFinished(() => {
    if (writer.isOpen) writer.close();
  });
  writer.exec("BEGIN IMMEDIATE");
  return { file, unlock: () => writer.close() };
}

test("saves in the order of the calls once a lock is gone, and blocks nothing meanwhile", async () => {
  const { file, unlock } = lockedFile();
  const store = sqliteStore({ file });
  const ended: number[] = [];

  const all = [0, 1, 2, 3, 4, 5, 6, 7];
  const saves = all.map(async (generation) => {
    await store.save(record(generation));
    ended.push(generation);
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = [...ended];
  unlock();
  await Promise.all(saves);

  expect([before, ended]).toStrictEqual([[], all]);
  expect(await store.load()).toStrictEqual(record(7));
});

/** Another connection to the file that a store locks, once it has. */
function lockFileOf(file: string): DatabaseSync {
  const name = readdirSync(dirname(file)).find(
    (each) => each.startsWith(basename(file)) && each.endsWith(".lock"),
  );
  const lock = new DatabaseSync(join(dirname(file), name ?? "none"));
  onTestFinished(() => {
    if (lock.isOpen) lock.close();
  });
  return lock;
}

/** The lock of a store's section, held by another connection. */
async function heldLock(file: string): Promise<() => void> {
  await sqliteStore({ file }).exclusive?.(async () => {}, new AbortController());
  const lock = lockFileOf(file);
  lock.exec("BEGIN IMMEDIATE");
  return () => lock.close();
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 50));

test("waits for a lock that is held elsewhere, and blocks nothing meanwhile", async () => {
  const file = newFile();
  const unlock = await heldLock(file);
  let ran = 0;

  const waiting = sqliteStore({ file }).exclusive?.(async () => void ran++, new AbortController());
  await moment();
  const before = ran;
  unlock();
  await waiting;

  expect([before, ran]).toStrictEqual([0, 1]);
});

test("gives up waiting for a lock that is held elsewhere, and never runs", async () => {
  const file = newFile();
  const unlock = await heldLock(file);
  const controller = new AbortController();
  const store = sqliteStore({ file });
  let ran = 0;

  const waiting = store.exclusive?.(async () => void ran++, controller).catch((reason) => reason);
  await moment();
  controller.abort("given up");
  const outcome = await waiting;
  unlock();
  await store.exclusive?.(async () => {}, new AbortController());

  expect([outcome, ran]).toStrictEqual(["given up", 0]);
});

test("gives up waiting for a file that another process writes, never runs, and lets in who is next", async () => {
  const { file, unlock } = lockedFile();
  const controller = new AbortController();
  const store = sqliteStore({ file });
  let ran = 0;

  const waiting = store.exclusive?.(async () => void ran++, controller).catch((reason) => reason);
  await moment();
  controller.abort("given up");
  const outcome = await waiting;
  unlock();

  expect([outcome, ran]).toStrictEqual(["given up", 0]);
  expect(await store.exclusive?.(async () => "in", new AbortController())).toBe("in");
});

test.each([
  ["process that was killed", inProcess],
  ["thread that was terminated", inThread],
])("takes over from a %s in the section", async (_, start) => {
  const file = newFile();
  const host = startHost(start);
  const store = await host.open(file);
  await new Promise<void>((entered) => {
    store.exclusive?.(() => new Promise(() => entered()), new AbortController());
  });

  const waiting = sqliteStore({ file }).exclusive?.(async () => "in", new AbortController());
  await moment();
  const ended = host.end();

  expect(await waiting).toBe("in");
  await ended;
});

test("holds the lock for a task that never ends, whatever is collected", async () => {
  const file = newFile();
  await new Promise<void>((entered) => {
    void sqliteStore({ file }).exclusive?.(() => new Promise(() => entered()), new AbortController());
  });

  for (let round = 0; round < 5; round++) {
    globalThis.gc?.();
    await moment();
  }

  expect(() => lockFileOf(file).exec("BEGIN IMMEDIATE")).toThrow("database is locked");
});

test("lets those of one thread in in the order they came, whichever store they have", async () => {
  const file = newFile();
  const unlock = await heldLock(file);
  const stores = [sqliteStore({ file }), sqliteStore({ file })];
  const order: number[] = [];

  const waiting = Array.from({ length: 10 }, (_, index) =>
    stores[index % 2]?.exclusive?.(async () => void order.push(index), new AbortController()),
  );
  await moment();
  unlock();
  await Promise.all(waiting);

  expect(order).toStrictEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("loads while another process is in the middle of a save", async () => {
  const { file } = lockedFile();

  expect(await sqliteStore({ file }).load()).toBe(null);
});

test("gives a save up after 10 s, and says what may be stuck", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const { file } = lockedFile();

  const outcome = Promise.resolve(sqliteStore({ file }).save(record(0))).catch((error) => error);
  await vi.advanceTimersByTimeAsync(10_100);

  expect(await outcome).toMatchObject({
    code: "ERR_SQLITE_BUSY",
    message: `${file} stayed locked: another process writes to it, and is stopped or stuck. Continue or end that process`,
  });
});

test("goes on with the saves that wait behind one that was given up", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const { file, unlock } = lockedFile();
  const store = sqliteStore({ file });

  const first = Promise.resolve(store.save(record(0))).catch((error) => error.code);
  const second = store.save(record(1));
  await vi.advanceTimersByTimeAsync(10_100);
  unlock();
  await vi.advanceTimersByTimeAsync(100);

  expect([await first, await second]).toStrictEqual(["ERR_SQLITE_BUSY", true]);
});
