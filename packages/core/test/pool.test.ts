import { memoryStore, type SessionOptions, type SessionStore, sessionPool } from "@freshtoken/core";
import { createGate, createServer, entriesAt, ledger, type Server } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, late, rejects } from "./shared-store.ts";
import { clientOf, createClock, refreshAt, settled } from "./support.ts";

/** A pool whose sessions each have a store of their own, which outlives them, and what was opened. */
function pooled(server: Server, max: number, more: Partial<SessionOptions> = {}) {
  const stores = new Map<string, SessionStore>();
  const opened: string[] = [];
  const clock = createClock();
  function options(id: string): SessionOptions {
    opened.push(id);
    const store = stores.get(id) ?? memoryStore();
    stores.set(id, store);
    return { refresh: refreshAt(server), clock, store, ...more };
  }
  return { pool: sessionPool({ options, max }), opened, stores, clock };
}

test("gives one session to all who ask for one id", () => {
  const { pool, opened } = pooled(createServer(), 2);

  const [one, other, again] = [pool.get("alice"), pool.get("bob"), pool.get("alice")];

  expect([one === again, one === other, opened, pool.size]).toStrictEqual([true, false, ["alice", "bob"], 2]);
});

test("closes nobody for a session that is open already", async () => {
  const server = createServer();
  const { pool } = pooled(server, 1);
  const alice = pool.get("alice");
  await alice.signIn(server.signIn());

  expect(pool.get("alice")).toBe(alice);
  await settled();
  expect((await alice.tokens()).accessToken).toBe("a0");
});

test("closes the least recently used first, and opens it anew with what it had stored", async () => {
  const server = createServer();
  const { pool, opened } = pooled(server, 2);
  await pool.get("alice").signIn(server.signIn());
  const [alice] = [pool.get("alice"), pool.get("bob")];
  pool.get("alice");

  pool.get("carol");
  pool.get("bob");
  await settled();

  expect(opened).toStrictEqual(["alice", "bob", "carol", "bob"]);
  await expect(alice.tokens()).rejects.toMatchObject({ code: "ERR_SIGNED_OUT" });
  expect((await pool.get("alice").tokens()).accessToken).toBe("a0");
  expect(pool.size).toBe(2);
});

test("closes no session while a request is under way, and grows instead", async () => {
  const server = createServer();
  const { pool } = pooled(server, 1);
  const alice = pool.get("alice");
  await alice.signIn(server.signIn());
  const answering = server.gate("resource", "answer");
  const answered = clientOf(alice, server)("/me");
  await answering.reached(1);

  pool.get("bob");
  pool.get("carol");
  const grown = [pool.size, pool.get("alice") === alice];
  answering.open();
  const { status } = await answered;
  pool.get("bob");

  expect([grown, status, pool.size]).toStrictEqual([[2, true], 200, 1]);
  expect(ledger(server.log)).toMatchObject({ answers: 1, unanswered: 0 });
});

test("closes no session while a refresh is under way, though nobody waits for it any more", async () => {
  const server = createServer();
  const { pool } = pooled(server, 1);
  const alice = pool.get("alice");
  await alice.signIn(server.signIn());
  const answering = server.gate("token", "answer");
  const controller = new AbortController();
  const refreshed = alice.refresh({ signal: controller.signal }).catch(() => {});
  await answering.reached(1);
  controller.abort();
  await refreshed;

  pool.get("bob");
  const kept = pool.get("alice") === alice;
  answering.open();
  await settled();
  pool.get("bob");

  expect([kept, pool.get("alice") === alice]).toStrictEqual([true, false]);
  expect((await pool.get("alice").tokens()).accessToken).toBe("a1");
});

test("closes no session whose tokens are not stored yet, and loses none of them", async () => {
  const [server, shared, saving] = [createServer(), createSharedStore(), createGate()];
  const { pool, clock } = pooled(server, 1, { store: shared.peer() });
  const alice = pool.get("alice");
  shared.next("save", late(saving), rejects);
  const signedIn = alice.signIn(server.signIn());
  await settled();

  pool.get("bob");
  const saved = pool.get("alice") === alice;
  saving.open();
  await signedIn;
  await alice.refresh();
  pool.get("bob");
  const retried = pool.get("alice") === alice;
  await clock.advance(300);
  pool.get("bob");

  expect([saved, retried, pool.get("alice") === alice]).toStrictEqual([true, true, false]);
  expect(shared.held?.tokens.accessToken).toBe("a1");
});

test("closes no session that somebody waits for", async () => {
  const [server, shared, loading] = [createServer(), createSharedStore(), createGate()];
  const { pool } = pooled(server, 1, { store: shared.peer() });
  shared.next("load", late(loading));
  const alice = pool.get("alice");
  const waiting = alice.tokens().catch((error: unknown) => error);

  pool.get("bob");
  const kept = pool.get("alice") === alice;
  loading.open();

  expect(kept).toBe(true);
  expect(await waiting).toMatchObject({ message: "Nobody is signed in. Call session.signIn() first" });
});

test("closes no session that is being loaded, though nobody but a glance at it waits", async () => {
  const [server, loading] = [createServer(), createGate()];
  const held = { family: "one", generation: 0, tokens: { accessToken: "a0" } };
  const shared = createSharedStore(held);
  const { pool } = pooled(server, 1, { store: shared.peer() });
  shared.next("load", late(loading));
  const alice = pool.get("alice");
  const glance = alice.loaded.then(() => alice.state.status);

  pool.get("bob");
  loading.open();

  expect(await glance).toBe("signedIn");
});

test("never closes the session that it returns, though all others are busy", async () => {
  const server = createServer();
  const { pool } = pooled(server, 1);
  const alice = pool.get("alice");
  await alice.signIn(server.signIn());
  const answering = server.gate("token", "answer");
  const refreshed = alice.refresh();
  await answering.reached(1);

  const bob = pool.get("bob");
  await bob.signIn(server.signIn());

  expect((await bob.tokens()).accessToken).toBe("2.a0");
  answering.open();
  await refreshed;
});

test("looks at eight for one that is idle, each time that another is opened", async () => {
  const server = createServer();
  const { pool } = pooled(server, 10);
  const users = Array.from({ length: 10 }, (_, index) => `user${index}`);
  for (const user of users) await pool.get(user).signIn(server.signIn());
  const answering = server.gate("resource", "answer");
  const busy = users.slice(0, 8).map((user) => clientOf(pool.get(user), server)(`/${user}`));
  await answering.reached(8);
  pool.get("user8");
  pool.get("user9");

  const sizes = [pool.get("a"), pool.get("b"), pool.get("c")].map(() => pool.size);
  const grown = pool.size;
  answering.open();
  await Promise.all(busy);

  expect([sizes.length, grown]).toStrictEqual([3, 11]);
});

test("shares nothing between users: each request leaves with its own user's token, whoever else refreshes", async () => {
  const server = createServer();
  const { pool } = pooled(server, 5);
  const users = Array.from({ length: 20 }, (_, index) => `user${index}`);
  const families = new Map<string, number>();
  for (const user of users) {
    await pool.get(user).signIn(server.signIn());
    families.set(user, families.size + 1);
  }
  server.expire();

  const bursts = users.flatMap((user) =>
    Array.from({ length: 5 }, (_, index) => clientOf(pool.get(user), server)(`/${user}/${index}`)),
  );
  await Promise.all(bursts);
  await settled();

  const arrivals = entriesAt(server.log, "resource").filter(({ status }) => status === 200);
  const strangers = arrivals.filter(({ path, family }) => families.get(path.split("/")[1] ?? "") !== family);
  expect([arrivals.length, strangers]).toStrictEqual([100, []]);
  expect(ledger(server.log)).toMatchObject({ refreshes: 20, reuses: 0 });
  pool.get("one more");
  expect(pool.size).toBeLessThanOrEqual(20);
});

test("closes all sessions with itself, lets their refreshes end, and gives out no more", async () => {
  const server = createServer();
  const { pool, stores } = pooled(server, 5);
  const alice = pool.get("alice");
  await alice.signIn(server.signIn());
  const answering = server.gate("token", "answer");
  const refreshed = pool.get("alice").refresh();
  await answering.reached(1);

  const closed = pool.close();
  answering.open();
  await Promise.all([closed, refreshed]);

  expect(await stores.get("alice")?.load()).toMatchObject({ tokens: { accessToken: "a1" } });
  expect(pool.size).toBe(0);
  expect(() => pool.get("alice")).toThrow("The session was closed");
  await expect(alice.tokens()).rejects.toMatchObject({ code: "ERR_SIGNED_OUT" });
});

test("keeps nothing of the sessions that it has closed", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { pool, clock } = pooled(server, 10, { store: undefined });
  const peers = sessionPool({
    options: () => ({ refresh: refreshAt(server), clock, store: shared.peer() }),
    max: 10,
  });

  for (let index = 0; index < 1_000; index++) {
    pool.get(`user${index}`);
    peers.get(`user${index}`);
    await settled();
  }

  expect([pool.size, peers.size, shared.listeners, clock.timers.all]).toStrictEqual([10, 10, 10, 0]);
});

test.each<[string, object, string]>([
  ["no options", {}, "`options` is a function of an id that returns session options, not undefined"],
  ["a wrong max", { options: () => ({}), max: 0 }, "`max` is a number of sessions, 1 or more, not 0"],
  [
    "a max of a text",
    { options: () => ({}), max: "9" },
    "`max` is a number of sessions, 1 or more, not a string",
  ],
])("throws a TypeError that names the option and what arrived: %s", (_, given, message) => {
  expect(() => sessionPool(given as Parameters<typeof sessionPool>[0])).toThrow(new TypeError(message));
});

test.each<[unknown, string]>([
  ["", "the id of a session is a text, not an empty one"],
  [undefined, "the id of a session is a text, not undefined"],
  [7, "the id of a session is a text, not a number"],
])("throws a TypeError for the id %j", (id, message) => {
  const { pool } = pooled(createServer(), 1);

  expect(() => pool.get(id as string)).toThrow(new TypeError(message));
});

test("keeps none where the options of a session are wrong", () => {
  const pool = sessionPool({ options: () => ({}) as SessionOptions });

  expect(() => pool.get("alice")).toThrow("`refresh` is a function");
  expect(pool.size).toBe(0);
});
