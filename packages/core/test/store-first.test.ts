import type { SessionRecord } from "@freshtoken/core";
import { createGate, createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, hangs, late, rejects } from "./shared-store.ts";
import { clientOf, createClock, sessionOn, settled } from "./support.ts";

const a0: SessionRecord = { family: "one", generation: 0, tokens: { accessToken: "a0", refreshToken: "r0" } };

test("stores new tokens before any request leaves with them", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  const api = clientOf(session, server);
  await session.signIn(server.signIn());
  server.expire();
  shared.next("save", late(gate));

  const answers = Promise.all([api("/me"), api("/you")]);
  await gate.reached(1);
  await settled();
  const before = story(server.log).slice(-2);
  gate.open();
  await answers;

  expect(before).toStrictEqual(["→ token r0", "← 200 token r0: rotated, a1 r1"]);
  expect(story(server.log).slice(-4)).toStrictEqual([
    "→ GET /me a1",
    "→ GET /you a1",
    "← 200 GET /me a1",
    "← 200 GET /you a1",
  ]);
});

test("serves the tokens of a refresh to nobody before they are stored", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", late(gate));

  const refreshed = session.refresh();
  await gate.reached(1);
  await settled();
  const before = [session.state, await session.tokens()];
  gate.open();

  const tokens = { accessToken: "a0", refreshToken: "r0", tokenType: "Bearer" };
  expect(before).toStrictEqual([{ status: "signedIn", tokens, refreshing: true }, tokens]);
  expect(await refreshed).toStrictEqual({ accessToken: "a1", refreshToken: "r1", tokenType: "Bearer" });
});

test("holds requests after a sign-in until it is stored", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  const api = clientOf(session, server);
  await session.loaded;
  shared.next("save", late(gate));

  const signedIn = session.signIn(server.signIn());
  const answer = api("/me");
  await gate.reached(1);
  await settled();
  const before = story(server.log);
  gate.open();
  await Promise.all([signedIn, answer]);

  expect(before).toStrictEqual(["signIn: a0 r0"]);
  expect(story(server.log).slice(1)).toStrictEqual(["→ GET /me a0", "← 200 GET /me a0"]);
  expect(events.slice(1)).toStrictEqual([
    { type: "signedIn", by: "us" },
    { type: "held", count: 1 },
    { type: "released", count: 1 },
  ]);
});

test("saves one at a time, in order", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  shared.log.length = 0;
  shared.next("save", late(gate));

  const first = session.signIn(server.signIn());
  await gate.reached(1);
  const others = [session.signOut(), session.signIn(server.signIn())];
  await settled();
  const before = [...shared.log];
  gate.open();
  await Promise.all([first, ...others]);

  expect(before).toStrictEqual(["load", "loaded nothing", "save a0"]);
  expect(shared.log.filter((line) => !line.startsWith("load"))).toStrictEqual([
    "save a0",
    "saved a0",
    "save 2.a0",
    "saved 2.a0",
  ]);
});

test("keeps the tokens in memory and serves its callers when a save fails", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  const api = clientOf(session, server);
  await session.signIn(server.signIn());
  server.expire();
  shared.next("save", rejects);

  const answer = await api("/me");

  expect(answer.status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ refreshes: 1, refusals: 1, answers: 1, reuses: 0 });
  expect(shared.held?.tokens.accessToken).toBe("a0");
  expect(events.slice(1)).toStrictEqual([
    { type: "refreshStarted", reason: "refused", attempt: 1 },
    { type: "storeFailed", error: expect.objectContaining({ message: "disk full" }) },
    { type: "refreshed", by: "us" },
    { type: "replayed", method: "GET", url: "https://server.test/me" },
  ]);
});

test("saves again what could not be saved, with back-off that doubles up to 30 s", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock: { ...clock, random: () => 1 }, store: shared.peer() });
  await session.loaded;
  const begun = clock.now();
  const at: number[] = [];
  shared.next(
    "save",
    ...Array.from({ length: 9 }, () => () => {
      at.push(clock.now() - begun);
      return Promise.reject(new Error("disk full"));
    }),
  );

  await session.signIn(server.signIn());
  await clock.advance(200_000);

  const waits = at.slice(1).map((time, index) => time - (at[index] ?? 0));
  expect(waits).toStrictEqual([300, 600, 1200, 2400, 4800, 9600, 19_200, 30_000]);
  expect(shared.held?.tokens.accessToken).toBe("a0");
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("begins the back-off of saves anew once one has succeeded", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock: { ...clock, random: () => 1 }, store: shared.peer() });
  shared.next("save", rejects, rejects);
  await session.signIn(server.signIn());
  await clock.advance(900);

  shared.next("save", rejects);
  await session.refresh();
  await clock.advance(299);
  const before = shared.held?.tokens.accessToken;
  await clock.advance(1);

  expect([before, shared.held?.tokens.accessToken]).toStrictEqual(["a0", "a1"]);
});

test("does not save again what something newer has replaced", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.log.length = 0;
  shared.next("save", rejects);
  await session.signIn(server.signIn());

  await session.signIn(server.signIn());
  await clock.advance(60_000);

  expect(shared.log.filter((line) => line.startsWith("save"))).toStrictEqual([
    "save a0",
    "save 2.a0",
    "saved 2.a0",
  ]);
});

test("adopts the newer tokens of its family that a save lost against", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  const { family } = shared.held as SessionRecord;
  shared.next("save", (perform) => {
    shared.held = { family, generation: 3, tokens: { accessToken: "a3", refreshToken: "r3" } };
    return perform();
  });

  const tokens = await session.refresh();
  await settled();

  expect(tokens).toStrictEqual({ accessToken: "a3", refreshToken: "r3" });
  expect(session.state).toStrictEqual({ status: "signedIn", tokens, refreshing: false });
  expect(events.slice(1)).toStrictEqual([
    { type: "refreshStarted", reason: "requested", attempt: 1 },
    { type: "refreshed", by: "another" },
    { type: "released", count: 0 },
  ]);
});

test.each([
  {
    there: "another family",
    winner: { family: "two", generation: 0, tokens: { accessToken: "2.a0" } },
    state: { status: "signedIn", tokens: { accessToken: "2.a0" }, refreshing: false },
    event: { type: "signedIn", by: "another" },
  },
  {
    there: "nothing",
    winner: null,
    state: { status: "signedOut" },
    event: { type: "signedOut", by: "another" },
  },
])("rejects with SignedOutError where a save lost against $there", async ({ winner, state, event }) => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  const api = clientOf(session, server);
  await session.signIn(server.signIn());
  server.expire();
  shared.next("save", (perform) => {
    shared.held = winner;
    return perform();
  });

  const code = await api("/me").catch((error) => error.code);

  expect(code).toBe("ERR_SIGNED_OUT");
  expect(session.state).toStrictEqual(state);
  expect(shared.held).toBe(winner);
  expect(events.slice(1)).toStrictEqual([{ type: "refreshStarted", reason: "refused", attempt: 1 }, event]);
  expect(ledger(server.log)).toMatchObject({ requests: 1, refreshes: 1, revocations: 0 });
});

test("does not take a failed load for a sign-out: what waits fails, the next request loads again", async () => {
  const [server, shared] = [createServer(), createSharedStore(a0)];
  server.signIn();
  shared.next("load", rejects);
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  const api = clientOf(session, server);

  const held = await api("/me").catch((error) => error);
  await session.loaded;
  const before = session.state;
  const next = await api("/me");

  expect(held).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { message: "disk full" } });
  expect(before).toStrictEqual({ status: "loading" });
  expect(next.status).toBe(200);
  expect(story(server.log)).toStrictEqual(["signIn: a0 r0", "→ GET /me a0", "← 200 GET /me a0"]);
  expect(events.map(({ type }) => type)).toStrictEqual(["held", "storeFailed", "held", "loaded", "released"]);
});

test("drops a load that ends after a sign-in", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(a0), createGate()];
  shared.next("load", (perform) => {
    const held = perform();
    return gate.pass().then(() => held);
  });
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });

  await session.signIn({ accessToken: "2.a0" });
  gate.open();
  await settled();

  expect(session.state).toStrictEqual({
    status: "signedIn",
    tokens: { accessToken: "2.a0" },
    refreshing: false,
  });
  expect(events).toStrictEqual([{ type: "signedIn", by: "us" }]);
});

test("drops a load that ends after a sign-out", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(a0), createGate()];
  shared.next("load", (perform) => {
    const held = perform();
    return gate.pass().then(() => held);
  });
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });

  await session.signOut();
  gate.open();
  await settled();

  expect([session.state, shared.held]).toStrictEqual([{ status: "signedOut" }, null]);
  expect(events).toStrictEqual([{ type: "signedOut", by: "us" }]);
});

test.each([
  ["a string", "a0"],
  ["a number", 7],
  ["an array", [a0]],
  ["tokens without family and generation", a0.tokens],
  ["a record without tokens", { family: "one", generation: 0 }],
  ["a record whose tokens are a string", { ...a0, tokens: "a0" }],
  ["a record whose access token is a number", { ...a0, tokens: { accessToken: 7 } }],
  ["a record without an access token", { ...a0, tokens: { refreshToken: "r0" } }],
  ["a record whose access token has a line break", { ...a0, tokens: { accessToken: "a0\r\nx: y" } }],
  ["a record whose token type is not ours", { ...a0, tokens: { accessToken: "a0", tokenType: "DPoP" } }],
  ["a record without a generation", { ...a0, generation: undefined }],
  ["a record of generation -1", { ...a0, generation: -1 }],
  ["a record of generation 0.5", { ...a0, generation: 0.5 }],
  ["a record with an empty family", { ...a0, family: "" }],
])("takes %s in the store for nothing, and says storeFailed", async (_, foreign) => {
  const [server, shared] = [createServer(), createSharedStore(foreign as SessionRecord)];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });

  await session.loaded;

  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(events).toStrictEqual([
    { type: "storeFailed", error: expect.objectContaining({ name: "TypeError" }) },
    { type: "loaded" },
  ]);
  await session.signIn(server.signIn());
  expect(shared.held?.tokens.accessToken).toBe("a0");
});

test("uses its first tokens where the store holds none, and stores them before a request leaves", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const options = { clock: createClock(), store: shared.peer(), tokens: server.signIn() };
  shared.next("save", late(gate));
  const api = clientOf(sessionOn(server, options).session, server);

  const answer = api("/me");
  await gate.reached(1);
  await settled();
  const before = ledger(server.log).requests;
  gate.open();

  expect((await answer).status).toBe(200);
  expect([before, shared.held?.tokens.accessToken]).toStrictEqual([0, "a0"]);
});

test("leaves its first tokens aside where the store holds some", async () => {
  const [server, shared] = [createServer(), createSharedStore(a0)];
  const options = { clock: createClock(), store: shared.peer(), tokens: { accessToken: "first" } };

  const { session } = sessionOn(server, options);
  await session.loaded;

  expect(session.state).toStrictEqual({ status: "signedIn", tokens: a0.tokens, refreshing: false });
  expect(shared.log).toStrictEqual(["load", "loaded a0"]);
});

test("adopts what another has stored while its first tokens were on their way to the store", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  shared.next("save", (perform) => {
    shared.held = a0;
    return perform();
  });
  const options = { clock: createClock(), store: shared.peer(), tokens: { accessToken: "first" } };

  const { session } = sessionOn(server, options);
  await settled();

  expect(session.state).toStrictEqual({ status: "signedIn", tokens: a0.tokens, refreshing: false });
  expect(shared.held).toBe(a0);
});

test("adopts tokens from the store without waiting for a save of older ones that hangs", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  const { family } = shared.held as SessionRecord;
  shared.next("save", hangs);
  const refreshed = session.refresh();
  await settled();

  shared.held = { family, generation: 2, tokens: { accessToken: "a2" } };
  shared.hint();

  expect(await refreshed).toStrictEqual({ accessToken: "a2" });
  await clock.advance(60_000);
  expect(shared.held?.tokens.accessToken).toBe("a2");
});
