import { memoryStore, type SessionEvent, type SessionOptions, type SessionStore } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

async function begin(options: Partial<SessionOptions> = {}) {
  const clock = createClock();
  const server = createServer({ now: clock.now });
  const { session, events } = sessionOn(server, { clock, ...options });
  await session.signIn(server.signIn({ expiresIn: 3600 }));
  events.length = 0;
  return { clock, server, session, events, request: clientOf(session, server) };
}

const LIFETIME = 3_600_000;
const started = (reason: string, attempt = 1) => ({ type: "refreshStarted", reason, attempt });

test("tells of a session that is loaded, signed in and signed out", async () => {
  const server = createServer();
  const store = { ...memoryStore(), load: async () => null };
  const { session, events } = sessionOn(server, { store, clock: createClock() });

  await session.loaded;
  await session.signIn(server.signIn());
  await session.signOut();

  expect(events).toStrictEqual([
    { type: "loaded" },
    { type: "signedIn", by: "us" },
    { type: "signedOut", by: "us" },
  ]);
});

test("tells of a stale token: started, held, refreshed, released", async () => {
  const { clock, events, request } = await begin();
  clock.jump(LIFETIME);

  await Promise.all([request("/1"), request("/2")]);

  expect(events).toStrictEqual([
    started("stale"),
    { type: "held", count: 1 },
    { type: "held", count: 2 },
    { type: "refreshed", by: "us" },
    { type: "released", count: 2 },
  ]);
});

test("tells of a refused token: started, refreshed, and each replay without its query", async () => {
  const { server, events, request } = await begin();
  server.expire();

  await Promise.all([request("/1?secret=1#hash"), request("/2", { method: "POST", body: "once more" })]);

  expect(events).toStrictEqual([
    started("refused"),
    { type: "refreshed", by: "us" },
    { type: "replayed", method: "GET", url: "https://server.test/1" },
    { type: "replayed", method: "POST", url: "https://server.test/2" },
  ]);
});

test("tells of an ageing token's refresh, and of one that was requested", async () => {
  const { clock, session, events, request } = await begin();
  clock.jump(LIFETIME - 30_000);

  await request("/me");
  await settled();
  await session.refresh();

  expect(events).toStrictEqual([
    started("ageing"),
    { type: "refreshed", by: "us" },
    started("requested"),
    { type: "refreshed", by: "us" },
  ]);
});

test("tells of every attempt of a round, and of its failure, but not of the repeat at once", async () => {
  const { clock, server, session, events } = await begin();
  server.next("token", { status: 504 }, { status: 503 }, { status: 503 });

  const failed = session.refresh().catch((error: unknown) => error);
  await clock.advance(LIFETIME);
  const error = await failed;

  expect(events).toStrictEqual([
    started("requested", 1),
    started("requested", 3),
    { type: "refreshFailed", error },
  ]);
});

test("tells of a rejection as a sign-out by us, with its error, the same as in the state", async () => {
  const { server, session, events } = await begin();
  server.withdraw();

  const error = await session.refresh().catch((error: unknown) => error);

  expect(events).toStrictEqual([started("requested"), { type: "signedOut", by: "us", error }]);
  expect(session.state).toStrictEqual({ status: "signedOut", error });
});

test("tells of a refusal that causes no refresh", async () => {
  const { server, events, request } = await begin({ refusalLimit: { max: 0, within: 1 } });
  server.expire();

  await request("/me");

  expect(events).toStrictEqual([{ type: "refreshSuppressed" }]);
});

test("tells of a session that is restored", async () => {
  const server = createServer();
  const { refresh_token: refreshToken = "" } = server.signIn();
  const refresh = () =>
    server.fetch("/token", {
      method: "POST",
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
    });
  const { session, events } = sessionOn(server, { refresh, restore: true, clock: createClock() });

  await session.loaded;
  await settled();

  expect(events).toStrictEqual([started("restore"), { type: "loaded" }, { type: "refreshed", by: "us" }]);
});

test("tells what another tab did: signed in, refreshed, signed out", async () => {
  const { store, write } = sharedStore();
  const { events } = await begin({ store });

  await write({ family: "theirs", generation: 0, tokens: { accessToken: "b0" } });
  await write({ family: "theirs", generation: 1, tokens: { accessToken: "b1" } });
  await write(null);

  expect(events).toStrictEqual([
    { type: "signedIn", by: "another" },
    { type: "refreshed", by: "another" },
    { type: "signedOut", by: "another" },
  ]);
});

test("tells of a store that failed, and goes on", async () => {
  const store = { load: () => null, save: () => Promise.reject(new Error("disk full")) };
  const server = createServer();
  const { session, events } = sessionOn(server, { store, clock: createClock() });

  await session.signIn(server.signIn());

  expect(events).toMatchObject([
    { type: "loaded" },
    { type: "signedIn", by: "us" },
    { type: "storeFailed", error: { message: "disk full" } },
  ]);
  expect(session.state).toMatchObject({ status: "signedIn" });
});

test("tells every listener everything, whatever another one throws or rejects", async () => {
  const { session } = await begin();
  const heard: SessionEvent[] = [];
  session.subscribe(() => {
    throw new Error("a listener's own");
  });
  session.subscribe(async () => {
    throw new Error("a listener's own, later");
  });
  session.subscribe((event) => heard.push(event));

  await session.refresh();
  await settled();

  expect(heard).toStrictEqual([started("requested"), { type: "refreshed", by: "us" }]);
});

test("tells a listener nothing more once it is undone, and undoes no other", async () => {
  const { session } = await begin();
  const heard: string[] = [];
  const listener = ({ type }: SessionEvent) => heard.push(type);
  const undo = session.subscribe(listener);
  session.subscribe(listener);

  undo();
  undo();
  await session.signOut();

  expect(heard).toStrictEqual(["signedOut"]);
});

test("lets a listener undo itself, and subscribe another, while it is told", async () => {
  const { session } = await begin();
  const heard: string[] = [];
  const undo = session.subscribe(({ type }) => {
    heard.push(`first: ${type}`);
    undo();
    session.subscribe((event) => heard.push(`second: ${event.type}`));
  });

  await session.refresh();

  expect(heard).toStrictEqual(["first: refreshStarted", "second: refreshed"]);
});

test("does not tell a listener that another has undone before its turn", async () => {
  const { session } = await begin();
  const heard: string[] = [];
  session.subscribe(() => undo());
  const undo = session.subscribe(({ type }) => heard.push(type));

  await session.signOut();

  expect(heard).toStrictEqual([]);
});

test("lets a listener sign out: all hear each event in the same order", async () => {
  const { session } = await begin();
  const heard: string[][] = [[], []];
  session.subscribe(({ type }) => {
    if (type === "refreshed") void session.signOut();
    heard[0]?.push(type);
  });
  session.subscribe(({ type }) => heard[1]?.push(type));

  await session.refresh().catch(() => {});

  const order = ["refreshStarted", "refreshed", "signedOut"];
  expect(heard).toStrictEqual([order, order]);
  expect(session.state).toStrictEqual({ status: "signedOut" });
});

test("settles what waited for a refresh although a listener signs out when it starts", async () => {
  const { clock, server, session, request } = await begin();
  clock.jump(LIFETIME);
  session.subscribe(({ type }) => void (type === "refreshStarted" && session.signOut()));

  await expect(request("/me")).rejects.toMatchObject({ code: "ERR_SIGNED_OUT" });
  expect(ledger(server.log)).toMatchObject({ requests: 0 });
});

test("has the state changed before its listeners hear of it", async () => {
  const { session } = await begin();
  const seen: unknown[] = [];
  session.subscribe(({ type }) => {
    const { state } = session;
    seen.push([
      type,
      state.status === "signedIn" ? [state.tokens.accessToken, state.refreshing] : state.status,
    ]);
  });

  await session.refresh();
  await session.signOut();

  expect(seen).toStrictEqual([
    ["refreshStarted", ["a0", true]],
    ["refreshed", ["a1", false]],
    ["signedOut", "signedOut"],
  ]);
});

test("has the same state, frozen, until something changes", async () => {
  const { server, session, request } = await begin();
  const states = [session.state];
  await request("/me");
  await session.tokens();
  states.push(session.state);
  const refreshing = server.gate("token");
  const asked = session.refresh();
  await settled();
  states.push(session.state, session.state);
  refreshing.open();
  await asked;
  states.push(session.state, session.state);

  const distinct = [...new Set(states)];
  expect(distinct.map((state) => states.indexOf(state))).toStrictEqual([0, 2, 4]);
  expect(distinct.every(Object.isFrozen)).toBe(true);
  expect(distinct.map((state) => state.status === "signedIn" && Object.isFrozen(state.tokens))).toStrictEqual(
    [true, true, true],
  );
});

test("tells of a change of the state one microtask after it, as useSyncExternalStore asks", async () => {
  const { clock, server, session, request } = await begin();
  let known = session.state;
  const missed: unknown[] = [];
  const { subscribe } = session;
  subscribe(() => {
    known = session.state;
  });
  const look = async () => {
    const changed = session.state;
    await Promise.resolve();
    if (known !== changed && known !== session.state) missed.push(changed);
  };

  server.expire();
  const answer = request("/1").then(look);
  for (let step = 0; step < 20; step++) await Promise.resolve().then(look);
  await answer;
  clock.jump(LIFETIME);
  await request("/2").then(look);
  await session.refresh().then(look);
  await session.signOut().then(look);

  expect(missed).toStrictEqual([]);
});

test("is loading until the store was read", async () => {
  const server = createServer();
  const store = { ...memoryStore(), load: async () => null };
  const { session } = sessionOn(server, { store, clock: createClock() });

  expect(session.state).toStrictEqual({ status: "loading" });
  await session.loaded;
  expect(session.state).toStrictEqual({ status: "signedOut" });
});

test("tells nothing any more once it is closed", async () => {
  const { session, events } = await begin();

  await session.close();
  await session.signIn({ accessToken: "b0" }).catch(() => {});

  expect(events).toStrictEqual([]);
});

function sharedStore() {
  const inner = memoryStore();
  let changed = () => {};
  const subscribe: SessionStore["subscribe"] = (listener) => {
    changed = listener;
    return () => {};
  };
  return {
    store: { ...inner, subscribe },
    async write(record: Parameters<SessionStore["save"]>[0]) {
      await inner.save(record);
      changed();
      await settled();
    },
  };
}

test("tells of what set it off first, when a callback signs out", async () => {
  const { session, events } = await begin({ waitUntil: () => void session?.signOut() });

  await session.refresh().catch(() => {});
  await settled();

  expect(events.map(({ type }) => type)).toStrictEqual(["refreshStarted", "signedOut"]);
});
