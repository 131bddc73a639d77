import { memoryStore, type SessionOptions, type SessionRecord, type SessionStore } from "@freshtoken/core";
import { createGate, createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, hangs, late, loses, rejects, throws } from "./shared-store.ts";
import { clientOf, createClock, refreshAt, sessionOn, settled } from "./support.ts";

const a0: SessionRecord = { family: "one", generation: 0, tokens: { accessToken: "a0", refreshToken: "r0" } };

const faults = [
  { fault: hangs, how: "never settles" },
  { fault: rejects, how: "rejects" },
  { fault: throws, how: "throws" },
];

test.each(faults)(
  "fails what waits for a load that $how, at the deadline at the latest",
  async ({ fault }) => {
    const [server, shared, clock] = [createServer(), createSharedStore(a0), createClock()];
    shared.next("load", fault);
    const { session } = sessionOn(server, { clock, store: shared.peer() });
    const api = clientOf(session, server);

    const held = [api("/me"), session.tokens(), session.refresh()].map((call) =>
      call.catch((error) => error.code),
    );
    await clock.advance(10_000);

    expect(await Promise.all([...held, session.loaded])).toStrictEqual([
      "ERR_REFRESH_FAILED",
      "ERR_REFRESH_FAILED",
      "ERR_REFRESH_FAILED",
      undefined,
    ]);
    expect(ledger(server.log)).toMatchObject({ requests: 0, attempts: 0 });
    expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
  },
);

test("drops a load that comes after its deadline", async () => {
  const [server, shared, clock, gate] = [createServer(), createSharedStore(a0), createClock(), createGate()];
  shared.next("load", late(gate));
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await clock.advance(10_000);

  gate.open();
  await settled();

  expect(session.state).toStrictEqual({ status: "loading" });
  expect(events.map(({ type }) => type)).toStrictEqual(["storeFailed"]);
  expect(await session.tokens()).toStrictEqual(a0.tokens);
});

test.each(faults)(
  "signs in from memory when the save $how, at the deadline at the latest",
  async ({ fault }) => {
    const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
    const { session, events } = sessionOn(server, { clock, store: shared.peer() });
    const api = clientOf(session, server);
    await session.loaded;
    shared.next("save", fault);

    const [signedIn, answer] = [session.signIn(server.signIn()), api("/me")];
    await clock.advance(10_000);

    expect(await signedIn).toBe(undefined);
    expect((await answer).status).toBe(200);
    expect(events.map(({ type }) => type)).toStrictEqual([
      "loaded",
      "signedIn",
      "held",
      "storeFailed",
      "released",
    ]);
    await clock.advance(300);
    expect(shared.held?.tokens.accessToken).toBe("a0");
  },
);

test.each(faults)("serves refreshed tokens from memory when the save $how", async ({ fault }) => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  const api = clientOf(session, server);
  await session.signIn(server.signIn());
  server.expire();
  shared.next("save", fault);

  const answer = api("/me");
  await clock.advance(10_000);

  expect((await answer).status).toBe(200);
  expect(ledger(server.log)).toStrictEqual({
    signIns: 1,
    attempts: 1,
    refreshes: 1,
    reuses: 0,
    revocations: 0,
    requests: 2,
    refusals: 1,
    answers: 1,
    unanswered: 0,
  });
  await clock.advance(300);
  expect(shared.held?.tokens.accessToken).toBe("a1");
});

test.each(faults)("signs out at once when the save $how, and empties the store later", async ({ fault }) => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", fault);

  const signedOut = session.signOut();
  const state = session.state;
  await clock.advance(10_000);

  expect(await signedOut).toBe(undefined);
  expect(state).toStrictEqual({ status: "signedOut" });
  await clock.advance(300);
  expect([session.state, shared.held]).toStrictEqual([{ status: "signedOut" }, null]);
});

test("is content with a save of its own that lands after the deadline", async () => {
  const [server, shared, clock, gate] = [createServer(), createSharedStore(), createClock(), createGate()];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.log.length = 0;
  shared.next("save", late(gate));
  const refreshed = session.refresh();
  await clock.advance(10_000);
  await refreshed;

  gate.open();
  await clock.advance(120_000);

  expect(shared.held?.tokens.accessToken).toBe("a1");
  expect(events.filter(({ type }) => type === "storeFailed")).toHaveLength(1);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("says storeFailed and saves again when a save loses, yet nobody has won", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", loses);

  const tokens = await session.refresh();
  await clock.advance(300);

  expect(tokens.accessToken).toBe("a1");
  expect(shared.held?.tokens.accessToken).toBe("a1");
  expect(events.map(({ type }) => type)).toStrictEqual([
    "signedIn",
    "refreshStarted",
    "storeFailed",
    "refreshed",
  ]);
});

test("takes a save that returns nothing for one that has stored", async () => {
  const server = createServer();
  const memory = memoryStore();
  const store: SessionStore = { load: memory.load, save: (record) => void memory.save(record) };
  const { session, events } = sessionOn(server, { clock: createClock(), store });

  await session.signIn(server.signIn());
  await session.refresh();

  expect(events.map(({ type }) => type)).toStrictEqual(["loaded", "signedIn", "refreshStarted", "refreshed"]);
  expect(memory.load()).toMatchObject({ generation: 1 });
});

test.each(faults)("fails a round whose load $how, and keeps the session", async ({ fault }) => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("load", fault);

  const refreshed = session.refresh().catch((error) => error);
  await clock.advance(10_000);

  expect(await refreshed).toMatchObject({ code: "ERR_REFRESH_FAILED" });
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect(ledger(server.log).attempts).toBe(0);
  expect((await session.refresh()).accessToken).toBe("a1");
});

test.each([
  ...faults,
  { fault: () => Promise.resolve(), how: "resolves without calling its task" },
  { fault: () => undefined, how: "returns without calling its task" },
])("fails a round when exclusive $how, at the deadline at the latest", async ({ fault }) => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("exclusive", fault);

  const refreshed = session.refresh().catch((error) => error);
  await clock.advance(10_000);

  expect(await refreshed).toMatchObject({ code: "ERR_REFRESH_FAILED" });
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect(ledger(server.log).attempts).toBe(0);
  expect((await session.refresh()).accessToken).toBe("a1");
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("does not run a task that exclusive calls after its deadline", async () => {
  const [server, clock, gate] = [createServer(), createClock(), createGate()];
  const store = { ...memoryStore(), exclusive: <R>(task: () => Promise<R>) => gate.pass().then(task) };
  const { session } = sessionOn(server, { clock, store });
  await session.signIn(server.signIn());
  const refreshed = session.refresh().catch((error) => error);
  await clock.advance(10_000);

  gate.open();
  await settled();

  expect(await refreshed).toMatchObject({
    code: "ERR_REFRESH_FAILED",
    cause: { name: "DeadlineError", message: "exclusive() of the store took longer than 10000 ms" },
  });
  expect(ledger(server.log).attempts).toBe(0);
});

test("runs a task once, however often exclusive calls it", async () => {
  const [server, clock] = [createServer(), createClock()];
  const exclusive = async <R>(task: () => Promise<R>) => {
    await Promise.all([task(), task()]);
    return task();
  };
  const { session } = sessionOn(server, { clock, store: { ...memoryStore(), exclusive } });
  await session.signIn(server.signIn());

  expect((await session.refresh()).accessToken).toBe("a1");
  expect(ledger(server.log)).toMatchObject({ attempts: 1, reuses: 0 });
});

test.each([
  { how: "never releases", after: () => new Promise<never>(() => {}) },
  { how: "rejects after its task", after: () => Promise.reject(new Error("the lease is gone")) },
])("ends a round with what came of it when exclusive $how", async ({ after }) => {
  const [server, clock] = [createServer(), createClock()];
  const exclusive = <R>(task: () => Promise<R>): Promise<R> => task().then(after);
  const { session } = sessionOn(server, { clock, store: { ...memoryStore(), exclusive } });
  await session.signIn(server.signIn());

  const refreshed = session.refresh();
  await clock.advance(10_000);

  expect((await refreshed).accessToken).toBe("a1");
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("looks into the store once for a flood of hints", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(a0), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.log.length = 0;

  for (let hint = 0; hint < 1000; hint++) shared.hint();
  await settled();

  expect(shared.log).toStrictEqual(["load", "loaded a0"]);
});

test("looks again for a hint that comes during a look", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(a0), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  shared.next("load", (perform) => {
    const held = perform();
    return gate.pass().then(() => held);
  });
  shared.hint();
  await gate.reached(1);

  shared.held = { ...a0, generation: 1, tokens: { accessToken: "a1" } };
  shared.hint();
  gate.open();
  await settled();

  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } });
});

test("goes on listening after a look that a hint asked for has failed", async () => {
  const [server, shared] = [createServer(), createSharedStore(a0)];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  shared.next("load", rejects);
  shared.hint();
  await settled();

  shared.held = { ...a0, generation: 1, tokens: { accessToken: "a1" } };
  shared.hint();
  await settled();

  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } });
  expect(events.map(({ type }) => type)).toStrictEqual(["loaded", "storeFailed", "refreshed"]);
});

test("is not confused by a hint that comes while the store is loaded", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(a0), createGate()];
  shared.next("load", late(gate));
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });

  shared.hint();
  await settled();
  const before = session.state;
  gate.open();
  await session.loaded;
  await settled();

  expect(before).toStrictEqual({ status: "loading" });
  expect(session.state).toStrictEqual({ status: "signedIn", tokens: a0.tokens, refreshing: false });
  expect(events).toStrictEqual([{ type: "loaded" }]);
});

test("does not take what it is about to overwrite for news: a hint before its save", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", late(gate));
  const refreshed = session.refresh();
  await gate.reached(1);

  shared.hint();
  await settled();
  const before = session.state;
  gate.open();

  expect(before).toMatchObject({ status: "signedIn", tokens: { accessToken: "a0" } });
  expect((await refreshed).accessToken).toBe("a1");
});

test.each([
  { held: "nothing", record: null },
  { held: "an earlier session", record: a0 },
])("keeps a sign-in that is not stored yet when a hint shows $held", async ({ record }) => {
  const [server, shared, clock] = [createServer(), createSharedStore(record), createClock()];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects);
  await session.signIn({ accessToken: "2.a0" });

  shared.hint();
  await settled();

  expect(session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "2.a0" } });
  expect(events.slice(1).map(({ type }) => type)).toStrictEqual(["signedIn", "storeFailed"]);
  await clock.advance(300);
  expect(shared.held?.tokens.accessToken).toBe("2.a0");
});

test("stays signed out when a hint shows the session whose removal is not stored yet", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(a0), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects);
  await session.signOut();

  shared.hint();
  await settled();

  expect(session.state).toStrictEqual({ status: "signedOut" });
  await clock.advance(300);
  expect(shared.held).toBe(null);
});

test("makes do with a store that answers at once", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock(), tokens: server.signIn() });

  expect(session.state.status).toBe("signedIn");
  expect((await clientOf(session, server)("/me")).status).toBe(200);
});

test("redeems newer tokens from memory while the store holds older ones", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", rejects);
  await session.refresh();

  expect((await session.refresh()).accessToken).toBe("a2");
  expect(shared.held?.tokens.accessToken).toBe("a2");
  expect(story(server.log).slice(1)).toStrictEqual([
    "→ token r0",
    "← 200 token r0: rotated, a1 r1",
    "→ token r1",
    "← 200 token r1: rotated, a2 r2",
  ]);
});

test("asks the server nothing it does not have to when the record in the store is malformed", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const refresh = refreshAt(server);
  const { session } = sessionOn(server, { clock, store: shared.peer(), refresh });
  await session.signIn(server.signIn());

  shared.held = { family: "", generation: 0, tokens: {} };
  shared.hint();
  await settled();

  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(ledger(server.log).attempts).toBe(0);
});

test.each(["tokens", "refresh"] as const)("%s() loads again after a load that failed", async (name) => {
  const [server, shared] = [createServer(), createSharedStore(a0)];
  server.signIn();
  shared.next("load", rejects);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  await settled();

  expect((await session[name]()).accessToken).toBe(name === "tokens" ? "a0" : "a1");
});

test("says that it was the load that took too long", async () => {
  const [shared, clock] = [createSharedStore(), createClock()];
  shared.next("load", hangs);
  const { events } = sessionOn(createServer(), { clock, store: shared.peer() });

  await clock.advance(10_000);

  expect(events).toMatchObject([
    { type: "storeFailed", error: { message: "load() of the store took longer than 10000 ms" } },
  ]);
});

test("does not look once more for a save that failed", async () => {
  const [server, shared, reading] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  const answering = server.gate("token", "answer");
  const refreshed = session.refresh();
  await answering.reached(1);
  shared.log.length = 0;
  shared.next("load", late(reading));
  shared.next("save", rejects);
  shared.hint();
  await reading.reached(1);

  answering.open();
  await refreshed;
  reading.open();
  await settled();

  expect(shared.log).toStrictEqual(["load", "save a1", "leave", "loaded a0"]);
});

test("says to whoever waited that the store could not be read", async () => {
  const shared = createSharedStore(a0);
  shared.next("load", rejects);
  const { session } = sessionOn(createServer(), { clock: createClock(), store: shared.peer() });

  const { message } = await session.tokens().catch((error) => error);

  expect(message).toContain("could not be refreshed: the store could not be read");
});

test("says storeFailed of what a store throws or returns, also where asking it what it is throws it again", async () => {
  const unaskable: SessionRecord = new Proxy(a0, {
    get(record, name) {
      if (name === "then") throw unaskable;
      return Reflect.get(record, name);
    },
  });
  const [server, shared, clock] = [createServer(), createSharedStore(a0), createClock()];
  const store = { ...shared.peer(), load: () => unaskable };
  const { session, events } = sessionOn(server, { clock, store });

  await expect(session.tokens()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });

  expect(events.map(({ type }) => type)).toStrictEqual(["storeFailed"]);
});

test("refreshes and signs out though hints come faster than the store can be read", async () => {
  const [server, clock, memory] = [createServer(), createClock(), memoryStore()];
  let hint = () => {};
  const store: SessionStore = {
    save: memory.save,
    async load() {
      const held = memory.load();
      await new Promise<void>((resolve) => clock.timer(resolve, 20, false));
      return held;
    },
    subscribe(changed) {
      hint = changed;
      return () => {};
    },
  };
  const { session } = sessionOn(server, { clock, store });
  // Half a read ahead: somebody else finds something during each look.
  async function flooded(work: () => Promise<unknown>): Promise<boolean> {
    let isOver = false;
    hint();
    await clock.advance(10);
    void work().then(() => {
      isOver = true;
    });
    for (let ms = 0; ms < 2_000 && !isOver; ms += 10) {
      hint();
      await clock.advance(10);
    }
    return isOver;
  }
  await flooded(() => session.signIn(server.signIn()));

  const refreshed = await flooded(session.refresh);
  const signedOut = await flooded(session.signOut);

  expect([refreshed, signedOut, await memory.load()]).toStrictEqual([true, true, null]);
  expect(ledger(server.log)).toMatchObject({ refreshes: 1, reuses: 0 });
});

test.each<[string, Partial<SessionOptions>]>([
  ["first tokens", { tokens: { accessToken: "a0", refreshToken: "r0" } }],
  ["what a refresh restores", { restore: true, refresh: async () => ({ access_token: "a0" }) }],
])("stores %s over a record that is malformed, also where the store compares", async (_, options) => {
  const malformed = {
    family: "old",
    generation: "1",
    tokens: { accessToken: "x" },
  } as unknown as SessionRecord;
  const [server, shared, clock] = [createServer(), createSharedStore(malformed), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer(), ...options });

  await session.loaded;
  await clock.advance(60_000);

  expect([session.state.status, shared.held?.tokens.accessToken]).toStrictEqual(["signedIn", "a0"]);
  expect(clock.timers.all).toBe(0);
});

test("ends a round whose sections all end before an attempt could be made", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const store: SessionStore = {
    ...shared.peer(),
    async exclusive(task) {
      void task();
      return undefined as never;
    },
  };
  const { session, events } = sessionOn(server, { clock, store });
  await session.signIn(server.signIn());

  const refreshed = session.refresh().catch(({ code }) => code);
  await clock.advance(60_000);

  expect(await refreshed).toBe("ERR_REFRESH_FAILED");
  expect(ledger(server.log).attempts).toBe(0);
  expect(clock.timers.all).toBe(0);
  expect(events.filter(({ type }) => type === "refreshStarted")).toHaveLength(3);
  expect(events.at(-1)).toMatchObject({
    error: { message: expect.stringContaining("the exclusive section ended too early") },
  });
});

test("looks again where something was found meanwhile, and writes over nothing but that", async () => {
  const [server, shared, reading] = [createServer(), createSharedStore(), createGate()];
  const clock = createClock();
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  const { session: other } = sessionOn(server, { clock, store: shared.peer() });
  await Promise.all([session.loaded, other.loaded]);
  shared.next("load", (perform) => {
    const held = perform();
    return reading.pass().then(() => held);
  });
  const signedIn = session.signIn(server.signIn());
  await reading.reached(1);
  await other.signIn(server.signIn());
  await settled();

  reading.open();
  await signedIn;

  expect(shared.log.filter((line) => line.startsWith("lost"))).toStrictEqual([]);
  expect(shared.held?.tokens.accessToken).toBe("a0");
});
