import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { createSession, type Session, type SessionEvent, type SessionRecord } from "@freshtoken/core";
import { createServer, type Server, secretTokens } from "@freshtoken/testing";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { fullDisk } from "../chaos/disk.ts";
import { openDatabase } from "../src/database.ts";
import { sqliteStore } from "../src/index.ts";
import { newFile } from "./support.ts";

const record: SessionRecord = { family: "f", generation: 0, tokens: { accessToken: "a".repeat(20_000) } };
const { signal } = new AbortController();
const { exec } = DatabaseSync.prototype;
afterEach(() => {
  DatabaseSync.prototype.exec = exec;
});

/** A data file with one record, and nobody who uses it. */
function usedFile(): string {
  const file = newFile();
  const database = openDatabase(file);
  database.write("other", { family: "f", generation: 0, tokens: JSON.stringify(record.tokens) }, undefined);
  database.close();
  return file;
}

/** Other bytes from somewhere in the file on. */
function damage(file: string, from: number): void {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, Buffer.alloc(4_000, 0xa5), 0, 4_000, from);
  closeSync(descriptor);
}

function withPragma(sql: string): string {
  const file = usedFile();
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
  return file;
}

function plain(text: string): string {
  const file = newFile();
  writeFileSync(file, text);
  return file;
}

/** From now on the files do not grow, until there is room. */
function fillDisk(): () => void {
  let pages = 1;
  DatabaseSync.prototype.exec = function (sql) {
    exec.call(this, sql === "BEGIN IMMEDIATE" ? `PRAGMA max_page_count = ${pages}; ${sql}` : sql);
  };
  return () => {
    pages = 1_000_000;
  };
}

const troubles: readonly [what: string, code: string, advice: RegExp, arrange: () => string][] = [
  ["has no folder", "NO_FOLDER", /create .*0700/, () => join(newFile(), "session.db")],
  ["is a folder", "CANNOT_OPEN", /must be a file/, () => dirname(newFile())],
  [
    "is text",
    "NOT_OURS",
    /a file of its own/,
    () => plain("a text that is longer than the header".repeat(40)),
  ],
  [
    "is another application's",
    "NOT_OURS",
    /a file of its own/,
    () => withPragma("PRAGMA application_id = 7"),
  ],
  ["is of an older version", "NOT_OURS", /another version/, () => withPragma("PRAGMA user_version = 0")],
  ["is of a newer version", "NOT_OURS", /another version/, () => withPragma("PRAGMA user_version = 2")],
  [
    "is damaged",
    "CORRUPT",
    /move it away/,
    () => {
      const file = usedFile();
      damage(file, 4_096);
      return file;
    },
  ],
];

describe.each(troubles)("a file that %s", (_, code, advice, arrange) => {
  test("is said to be that, and what to do, by load and save, and is left as it is", async () => {
    const file = arrange();
    const bytes = () => {
      try {
        return readFileSync(file, "latin1");
      } catch (error) {
        return Object(error).code;
      }
    };
    const before = bytes();
    const store = sqliteStore({ file });

    const errors = await Promise.all(
      [store.load(), store.save(record)].map((call) =>
        Promise.resolve(call).catch((error: unknown) => error),
      ),
    );

    for (const error of errors) {
      expect(error).toMatchObject({ name: "SqliteStoreError", code: `ERR_SQLITE_${code}` });
      expect(Object(error).message.startsWith(`${file} `)).toBe(true);
      expect(Object(error).message).toMatch(advice);
    }
    expect(bytes()).toBe(before);
  });
});

function sessionOn(file: string, server: Server, refreshTimeout?: number): Session {
  const session = createSession({
    store: sqliteStore({ file }),
    refreshTimeout,
    refresh: ({ refreshToken, signal }) =>
      server.fetch("/token", {
        method: "POST",
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
        signal,
      }),
  });
  onTestFinished(() => session.close());
  return session;
}

/** A session that has signed in, with what it says. */
async function signedIn(file: string, server: Server) {
  const events: SessionEvent[] = [];
  const session = sessionOn(file, server);
  session.subscribe((event) => void events.push(event));
  await session.signIn(server.signIn());
  const failures = () => events.filter((event) => event.type === "storeFailed");
  return { session, failures };
}

/** Puts another file in its place, as a restored backup does. */
function replaceFile(file: string, by: string): void {
  for (const suffix of ["-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
  renameSync(by, file);
}

test("keeps a session whose new tokens find the disk full, serves it, and stores them when there is room", async () => {
  const file = newFile();
  const server = createServer({ tokens: secretTokens });
  const { session, failures } = await signedIn(file, server);
  server.always("token", { merge: { padding: "x".repeat(50_000) } });
  const makeRoom = fillDisk();

  const { accessToken } = await session.refresh();
  const failed = failures();
  makeRoom();
  await session.close();

  expect(failed).toMatchObject([{ error: { code: "ERR_SQLITE_FULL" } }]);
  expect((await sqliteStore({ file }).load())?.tokens.accessToken).toBe(accessToken);
  expect(inspect(failed, { depth: 9 })).not.toContain(String(accessToken).slice(0, 12));
});

test("redeems nothing while somebody else writes to the file, and signs nobody out", async () => {
  const file = newFile();
  const server = createServer();
  const sessions = [sessionOn(file, server, 200), sessionOn(file, server, 200)];
  await sessions[0]?.signIn(server.signIn());
  const refreshAll = async () => {
    const outcomes: unknown[] = [];
    for (const session of sessions) {
      const tokens = session.refresh();
      outcomes.push(await tokens.then(({ accessToken }) => accessToken).catch(({ code }) => code));
    }
    return outcomes;
  };
  const writer = new DatabaseSync(file);
  writer.exec("BEGIN IMMEDIATE");

  const during = await refreshAll();
  const redeemed = server.log.filter(({ at }) => at === "token");
  writer.close();
  const after = await refreshAll();

  expect([during, redeemed]).toStrictEqual([["ERR_REFRESH_FAILED", "ERR_REFRESH_FAILED"], []]);
  expect(after).toStrictEqual(["a1", "a2"]);
});

test("redeems nothing while a real disk is full, and goes on when there is room", async ({ skip }) => {
  const run = await fullDisk(newFile());
  if (!run) return skip("this user may not mount a file system");

  expect(run.violations).toStrictEqual([]);
});

test.each([
  ["holds a record", usedFile],
  ["is new", newFile],
])("refuses a turn where nothing can be written to a file that %s", async (_, arrange) => {
  const store = sqliteStore({ file: arrange(), name: "other" });
  await store.load();
  DatabaseSync.prototype.exec = function (sql) {
    exec.call(this, sql === "BEGIN IMMEDIATE" ? `${sql}; PRAGMA query_only = ON` : sql);
  };
  let ran = 0;

  const outcome = await store.exclusive?.(async () => void ran++, { signal }).catch(({ code }) => code);

  expect([outcome, ran]).toStrictEqual(["ERR_SQLITE_READONLY", 0]);
});

test("takes as much room for a turn as the record needs, so that there is some for the next one", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save(record);
  const { size } = statSync(`${file}-wal`);

  await store.exclusive?.(async () => {}, { signal });

  expect(statSync(`${file}-wal`).size - size).toBeGreaterThan(20_000);
  expect(await store.load()).toStrictEqual(record);
});

test("writes nothing by halves when the disk is full", async () => {
  const file = newFile();
  const store = sqliteStore({ file });
  await store.save({ ...record, tokens: { accessToken: "a0" } });
  const makeRoom = fillDisk();

  const outcome = await Promise.resolve(store.save({ ...record, generation: 1 })).catch(
    (error) => error.code,
  );
  makeRoom();

  expect(outcome).toBe("ERR_SQLITE_FULL");
  expect(await store.load()).toStrictEqual({ ...record, tokens: { accessToken: "a0" } });
  expect(await store.save({ ...record, generation: 1 }, record)).toBe(true);
});

test("takes the next record after one that cannot be written", async () => {
  const store = sqliteStore({ file: newFile() });

  const outcome = await Promise.resolve(store.save({ ...record, generation: 0.5 })).catch(() => "failed");

  expect([outcome, await store.save(record, null)]).toStrictEqual(["failed", true]);
});

test("keeps a session whose file is damaged while it runs: fresh tokens are served, a refresh fails", async () => {
  const file = newFile();
  const server = createServer();
  const { session, failures } = await signedIn(file, server);
  const broken = usedFile();
  damage(broken, 4_096);
  replaceFile(file, broken);

  const served = await session.tokens();
  const outcome = await session.refresh().catch((error) => error);

  expect([served.accessToken, session.state.status]).toStrictEqual(["a0", "signedIn"]);
  expect(outcome).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { code: "ERR_SQLITE_CORRUPT" } });
  expect([failures(), server.log.filter(({ at }) => at === "token")]).toStrictEqual([[], []]);
});

/** Gives up root's right to write everywhere, until it is given back. */
function withoutRights(): () => void {
  if (process.getuid?.() !== 0) return () => {};
  process.seteuid?.(65_534);
  const giveBack = () => process.seteuid?.(0);
  onTestFinished(giveBack);
  return giveBack;
}

test("keeps a session whose file is read-only: fresh tokens are served, a refresh fails", async () => {
  const folder = mkdtempSync(join(tmpdir(), "freshtoken-read-only-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "session.db");
  const server = createServer();
  const { session, failures } = await signedIn(file, server);
  replaceFile(file, usedFile());
  chmodSync(file, 0o444);
  chmodSync(folder, 0o555);
  withoutRights();

  const served = await session.tokens();
  const outcome = await session.refresh().catch((error) => error);
  const store = sqliteStore({ file });
  const errors = await Promise.all(
    [store.load(), store.save(record), store.exclusive?.(async () => {}, { signal })].map((call) =>
      Promise.resolve(call).then(
        (loaded) => loaded,
        ({ code }) => code,
      ),
    ),
  );

  expect([served.accessToken, session.state.status]).toStrictEqual(["a0", "signedIn"]);
  expect(outcome).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { code: "ERR_SQLITE_CANNOT_OPEN" } });
  expect(outcome.cause.message).toContain(`${file}-`);
  expect(errors).toStrictEqual(["ERR_SQLITE_READONLY", "ERR_SQLITE_READONLY", "ERR_SQLITE_CANNOT_OPEN"]);
  expect([failures(), server.log.filter(({ at }) => at === "token")]).toStrictEqual([[], []]);
});

test("saves again as soon as a file that was read-only is no more", async () => {
  const file = usedFile();
  const store = sqliteStore({ file });
  const undo = store.subscribe?.(() => {});
  chmodSync(dirname(file), 0o755);
  chmodSync(file, 0o444);
  // Someone keeps what belongs to it there, so that it can be read.
  const reader = openDatabase(file);
  for (const suffix of ["-wal", "-shm"]) chmodSync(`${file}${suffix}`, 0o444);
  const giveBack = withoutRights();

  const before = await Promise.resolve(store.save(record)).catch(({ code }) => code);
  giveBack();
  for (const suffix of ["", "-wal", "-shm"]) chmodSync(`${file}${suffix}`, 0o600);
  const after = await store.save(record);
  undo?.();
  reader.close();

  expect([before, after]).toStrictEqual(["ERR_SQLITE_READONLY", true]);
});
