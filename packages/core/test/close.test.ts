import type { TokenSet } from "@freshtoken/core";
import { createGate, createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, hangs, late, rejects } from "./shared-store.ts";
import { begin, clientOf, createClock, sessionOn, settled } from "./support.ts";

const gone = { all: 0, keepAlive: 0 };

test("lets a refresh in flight and its save end", async () => {
  const [server, shared, clock, gate] = [createServer(), createSharedStore(), createClock(), createGate()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", late(gate));
  const refreshed = session.refresh();
  await gate.reached(1);

  const closed = session.close();
  gate.open();
  await closed;

  expect((await refreshed).accessToken).toBe("a1");
  expect([shared.held?.tokens.accessToken, clock.timers]).toStrictEqual(["a1", gone]);
});

test("forgets its timers, its listeners and its subscription", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session, events } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  const before = shared.listeners;

  await session.close();
  shared.held = null;
  shared.hint();
  await settled();

  expect([before, shared.listeners, clock.timers]).toStrictEqual([1, 0, gone]);
  expect(events.map(({ type }) => type)).toStrictEqual(["signedIn"]);
});

test("keeps what the store holds: closing is not signing out", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const revoked: unknown[] = [];
  const revoke = async () => void revoked.push("revoked");
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());

  await session.close();
  const next = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await next.session.loaded;

  expect(next.session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "a0" } });
  expect(revoked).toStrictEqual([]);
});

test("rejects with SignedOutError whatever waits, or comes after", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  shared.next("load", hangs);
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  const api = clientOf(session, server);
  const waiting = [api("/1"), session.tokens(), session.refresh()].map((call) =>
    call.catch(({ code }) => code),
  );

  await session.close();
  const later = [
    () => api("/2"),
    () => session.tokens(),
    () => session.refresh(),
    () => session.signIn({ accessToken: "a0" }),
    () => session.signOut(),
  ].map((call) =>
    call().then(
      () => "resolved",
      ({ code }) => code,
    ),
  );

  expect(await Promise.all(waiting)).toStrictEqual(Array(3).fill("ERR_SIGNED_OUT"));
  expect(await Promise.all(later)).toStrictEqual(Array(5).fill("ERR_SIGNED_OUT"));
  expect(ledger(server.log).requests).toBe(0);
});

test("resolves `loaded` though the store never answers", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  shared.next("load", hangs);
  const { session } = sessionOn(server, { clock, store: shared.peer() });

  await session.close();

  expect(await session.loaded).toBe(undefined);
});

test("does not wait for a back-off, but fails the round", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.next("token", { status: 503 });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const code = session.refresh().catch((error) => error.code);
  await server.when((log) => ledger(log).attempts === 1);
  await settled();

  await session.close();

  expect([await code, clock.timers, ledger(server.log).attempts]).toStrictEqual([
    "ERR_REFRESH_FAILED",
    gone,
    1,
  ]);
});

test("waits for an attempt that hangs until its deadline, no longer", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.always("token", { hang: "before" });
  const { session } = sessionOn(server, { clock, refreshAttempts: 1 });
  await session.signIn(server.signIn());
  const code = session.refresh().catch((error) => error.code);
  await settled();

  const closed = session.close();
  await clock.advance(10_000);
  await closed;

  expect([await code, clock.timers]).toStrictEqual(["ERR_REFRESH_FAILED", gone]);
});

test("tries once more what is not stored, and forgets it when that fails too", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects, rejects);
  await session.signIn(server.signIn());

  await session.close();
  await clock.advance(60_000);

  expect(shared.log.filter((line) => line === "save a0")).toHaveLength(2);
  expect([shared.held, clock.timers]).toStrictEqual([null, gone]);
});

test("stores what could not be stored before, where the store has recovered", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects);
  await session.signIn(server.signIn());

  await session.close();

  expect([shared.held?.tokens.accessToken, clock.timers]).toStrictEqual(["a0", gone]);
});

test("waits for a save that hangs until its deadline, no longer", async () => {
  const [server, shared, clock] = [createServer(), createSharedStore(), createClock()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", hangs);
  const signedIn = session.signIn(server.signIn());
  await settled();

  const closed = session.close();
  await clock.advance(10_000);

  expect(await Promise.all([signedIn, closed])).toStrictEqual([undefined, undefined]);
  expect(clock.timers).toStrictEqual(gone);
});

test("closes once, however often it is asked to", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });

  const first = session.close();

  expect(session.close()).toBe(first);
  await first;
  expect(session.close()).toBe(first);
});

test("lets a request that is under way be answered, and gives its refusal to nobody else", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  const api = clientOf(session, server);
  const gate = server.gate("resource", "answer");
  const answered = api("/answered");
  server.expire();
  const refused = api("/refused").catch(({ code }) => code);
  await gate.reached(2);

  await session.close();
  gate.open();

  expect([(await answered).status, await refused]).toStrictEqual([200, "ERR_SIGNED_OUT"]);
  expect(ledger(server.log).attempts).toBe(0);
});

test("is not held up by a round that was overtaken, and fails late", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const late = createGate();
  server.next("token", { status: 503, answerAfter: late }, { status: 503 });
  const old = session.refresh().catch(({ code }) => code);
  await late.reached(1);
  await session.signIn(server.signIn());
  const code = session.refresh().catch((error) => error.code);
  await settled();

  late.open();
  await settled();
  await session.close();

  expect(await Promise.all([old, code])).toStrictEqual(["ERR_SIGNED_OUT", "ERR_REFRESH_FAILED"]);
  expect(clock.timers).toStrictEqual(gone);
});

test("waits for a round that a sign-out overtook: its late result is revoked", async () => {
  const [server, clock, revoked] = [createServer(), createClock(), [] as unknown[]];
  const revoke = async ({ refreshToken }: TokenSet) => void revoked.push(refreshToken);
  const { session } = sessionOn(server, { clock, revoke });
  await session.signIn(server.signIn());
  const gate = server.gate("token", "answer");
  const refreshed = session.refresh().catch(({ code }) => code);
  await gate.reached(1);
  await session.signOut();

  const closed = session.close();
  await settled();
  gate.open();
  await closed;
  await settled();

  expect([await refreshed, revoked, clock.timers]).toStrictEqual(["ERR_SIGNED_OUT", ["r0", "r1"], gone]);
});

test("waits for every round that was overtaken, not only for the last", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  const late = createGate();
  server.next("token", { answerAfter: late });
  const old = session.refresh().catch(({ code }) => code);
  await late.reached(1);
  await session.signIn(server.signIn());
  const { accessToken } = await session.refresh();
  let isClosed = false;

  const closed = session.close().then(() => {
    isClosed = true;
  });
  await settled();
  const before = isClosed;
  late.open();
  await closed;

  expect([await old, accessToken, before]).toStrictEqual(["ERR_SIGNED_OUT", "2.a1", false]);
});

test("does not wait for a back-off that would begin while it closes", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.next("token", { status: 503 });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const gate = server.gate("token");
  const code = session.refresh().catch((error) => error.code);
  await gate.reached(1);

  const closed = session.close();
  gate.open();
  await clock.advance(0);
  await closed;

  expect([await code, clock.timers, ledger(server.log).attempts]).toStrictEqual([
    "ERR_REFRESH_FAILED",
    gone,
    1,
  ]);
});

test("ends what waits although the store's undo throws", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const boom = (): never => {
    throw new Error("closed already");
  };
  shared.next("load", hangs);
  const store = { ...shared.peer(), subscribe: () => boom };
  const { session } = sessionOn(server, { clock: createClock(), store });
  const code = session.tokens().catch((error) => error.code);

  await session.close();

  expect(await code).toBe("ERR_SIGNED_OUT");
});

test("asks the store nothing more for a hint that comes while it looks, and tells of no failure", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.log.length = 0;
  shared.next("load", () => gate.pass().then(() => Promise.reject(new Error("database is closed"))));
  shared.hint();
  await gate.reached(1);
  shared.hint();

  await session.close();
  gate.open();
  await settled();

  expect(shared.log).toStrictEqual(["load"]);
  expect(events.map(({ type }) => type)).toStrictEqual(["signedIn"]);
});

test("rejects at once whatever would wait, or is refused, while it closes", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  await session.signIn({ ...server.signIn(), expires_in: 3600 });
  const api = clientOf(session, server);
  server.next("/sent", { refuse: true });
  const answer = server.gate("/sent", "answer");
  const gate = server.gate("token");
  const sent = api("/sent").catch(({ code }) => code);
  clock.jump(3_600_000);
  const refreshed = session.refresh();
  await gate.reached(1);

  const closed = session.close();
  const codes = [api("/held"), session.tokens(), session.refresh()].map((call) =>
    call.catch(({ code }) => code),
  );
  answer.open();

  expect(await Promise.all([sent, ...codes])).toStrictEqual(Array(4).fill("ERR_SIGNED_OUT"));
  gate.open();
  await closed;
  expect((await refreshed).accessToken).toBe("a1");
});

test("sends with an ageing token while it closes, and starts no refresh", async () => {
  const [server, shared, clock, gate] = [createServer(), createSharedStore(), createClock(), createGate()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.loaded;
  shared.next("save", rejects, late(gate));
  await session.signIn({ ...server.signIn(), expires_in: 3600 });
  clock.jump(3_550_000);

  const closed = session.close();
  await gate.reached(1);
  const { status } = await clientOf(session, server)("/me");
  gate.open();
  await closed;

  expect([status, ledger(server.log).attempts]).toStrictEqual([200, 0]);
});

test("reads the store no more once it is to be closed", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  shared.next("load", rejects);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await settled();

  const closed = session.close();
  const code = await clientOf(session, server)("/me").catch((error) => error.code);
  await closed;

  expect([code, shared.log]).toStrictEqual(["ERR_SIGNED_OUT", ["load"]]);
});

test("says to a request made before whether the session was closed or signed out", async () => {
  const [closed, signedOut] = await Promise.all([begin(), begin()]);
  const sendings = [closed, signedOut].map(({ server, session, request }) => {
    const family = session.connect({ origins: [server.origin] }).family();
    return () => request("/me", { family }).catch((error) => error.message);
  });

  await closed.session.close();
  await signedOut.session.signOut();
  const said = await Promise.all(sendings.map((sending) => sending()));

  expect(said).toStrictEqual([
    expect.stringContaining("The session was closed"),
    expect.stringContaining("signed out, or signed in anew"),
  ]);
});
