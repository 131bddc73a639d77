import { createSession, type SessionStore, type TokenSet } from "@freshtoken/core";
import { createGate, createServer, ledger, type Server, type TokenResponse } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, late as lateSave, rejects } from "./shared-store.ts";
import { clientOf, createClock, type ManualClock, refreshAt, sessionOn, settled } from "./support.ts";

interface Slow {
  readonly server: Server;
  readonly clock: ManualClock;
  readonly shared: ReturnType<typeof createSharedStore>;
  readonly session: ReturnType<typeof sessionOn>["session"];
  readonly events: ReturnType<typeof sessionOn>["events"];
  readonly revoked: unknown[];
  /** Lets the first answer through, as it was when the server gave it. */
  answer(): Promise<void>;
}

/** A session whose first attempt rotates at the server, and whose answer comes when the test says; it ignores its signal. */
async function slow(refreshAttempts = 1): Promise<Slow> {
  const [server, clock, shared] = [createServer({ grace: {} }), createClock(), createSharedStore()];
  const gate = createGate();
  const revoked: unknown[] = [];
  const { session, events } = sessionOn(server, {
    clock,
    store: shared.peer(),
    refreshAttempts,
    revoke: async (tokens: TokenSet) => void revoked.push(tokens.refreshToken),
    async refresh(context) {
      const { signal } = new AbortController();
      const answer = (await refreshAt(server)({ ...context, signal })) as Response;
      if (context.attempt === 1) await gate.pass();
      return answer;
    },
  });
  await session.signIn(server.signIn());
  const answer = async () => {
    gate.open();
    await settled();
  };
  return { server, clock, shared, session, events, revoked, answer };
}

test("takes the tokens of an attempt that was given up and answers alone", async () => {
  const { server, clock, shared, session, events, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  const before = session.state;

  await answer();

  expect([await code, before]).toMatchObject(["ERR_REFRESH_FAILED", { tokens: { accessToken: "a0" } }]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" }, refreshing: false });
  expect(shared.held?.tokens.refreshToken).toBe("r1");
  expect(events.map(({ type }) => type)).toStrictEqual([
    "signedIn",
    "refreshStarted",
    "refreshFailed",
    "refreshed",
  ]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, reuses: 0 });
});

test("ends the cool-down with the tokens of an attempt that answers in it", async () => {
  const { server, clock, session, answer } = await slow();
  const api = clientOf(session, server);
  server.expire();
  const code = api("/1").catch((error) => error.code);
  await clock.advance(10_000);

  await answer();

  expect(await code).toBe("ERR_REFRESH_FAILED");
  expect((await api("/2")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, answers: 1 });
});

test("stores late tokens before it serves them", async () => {
  const { clock, shared, session, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  const gate = createGate();
  shared.next("save", lateSave(gate));

  await answer();
  const before = await session.tokens();
  gate.open();
  await settled();

  expect([await code, before.accessToken]).toStrictEqual(["ERR_REFRESH_FAILED", "a0"]);
  expect((await session.tokens()).accessToken).toBe("a1");
});

test("serves late tokens from memory when they cannot be stored, and stores them later", async () => {
  const { clock, shared, session, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  shared.next("save", rejects);

  await answer();
  const before = shared.held?.tokens.accessToken;
  await clock.advance(300);

  expect([await code, before, shared.held?.tokens.accessToken]).toStrictEqual([
    "ERR_REFRESH_FAILED",
    "a0",
    "a1",
  ]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } });
});

test("takes late tokens during the repeat, which goes on and is then an orphan", async () => {
  const { server, clock, shared, session, revoked, answer } = await slow(3);
  const refreshed = session.refresh();
  await settled();
  const gate = server.gate("token", "answer");
  await clock.advance(10_000);
  await gate.reached(1);

  await answer();
  const { accessToken } = await refreshed;
  gate.open();
  await settled();

  expect([accessToken, shared.held?.tokens.accessToken]).toStrictEqual(["a1", "a1"]);
  expect(session.state).toMatchObject({ status: "signedIn", refreshing: false });
  expect([revoked, ledger(server.log).attempts]).toStrictEqual([[], 2]);
});

test("does not take late tokens after the repeat has brought some", async () => {
  const { clock, shared, session, revoked, answer } = await slow(3);
  const refreshed = session.refresh();
  await clock.advance(10_000);
  const { accessToken } = await refreshed;

  await answer();

  expect([accessToken, shared.held?.tokens.accessToken, revoked]).toStrictEqual(["a2", "a2", []]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a2" } });
});

test("takes late tokens during a back-off, and asks no more", async () => {
  const { server, clock, session, answer } = await slow(3);
  server.next("token", {}, { status: 503 });
  const refreshed = session.refresh();
  await clock.advance(10_000);

  await answer();

  expect((await refreshed).accessToken).toBe("a1");
  await clock.advance(60_000);
  expect(ledger(server.log).attempts).toBe(2);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test("presents no refresh token that a late answer, not yet stored, has replaced", async () => {
  const { server, clock, shared, session, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  const gate = createGate();
  shared.next("save", lateSave(gate));
  await answer();

  const refreshed = session.refresh();
  await settled();
  gate.open();

  expect([await code, (await refreshed).accessToken]).toStrictEqual(["ERR_REFRESH_FAILED", "a1"]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, reuses: 0 });
});

test("does not repeat a lost attempt while what a late answer brought is being stored", async () => {
  const { server, clock, shared, session, answer } = await slow(2);
  const [asking, saving] = [createGate(), createGate()];
  server.next("token", {}, { status: 503 }, { actAfter: asking, reset: "before" });
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  const refreshed = session.refresh();
  await asking.reached(1);
  shared.next("save", lateSave(saving));
  await answer();

  asking.open();
  await settled();
  saving.open();

  expect([await code, (await refreshed).accessToken]).toStrictEqual(["ERR_REFRESH_FAILED", "a1"]);
  expect(ledger(server.log).attempts).toBe(3);
});

test("keeps the refresh token of a late answer that cannot be used", async () => {
  const { server, clock, shared, session, answer } = await slow();
  server.next("token", { merge: { access_token: undefined } });
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);

  await answer();

  expect([await code, shared.held]).toMatchObject([
    "ERR_REFRESH_FAILED",
    { generation: 1, tokens: { accessToken: "a0", refreshToken: "r1" } },
  ]);
  expect((await session.refresh()).refreshToken).toBe("r2");
  expect(ledger(server.log)).toMatchObject({ attempts: 2, reuses: 0 });
});

test("revokes late tokens after a sign-out, and neither stores nor serves them", async () => {
  const { clock, shared, session, revoked, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  await session.signOut();

  await answer();

  expect(await code).toBe("ERR_REFRESH_FAILED");
  expect([session.state, shared.held, revoked]).toStrictEqual([{ status: "signedOut" }, null, ["r0", "r1"]]);
});

test("drops late tokens after a sign-in, and revokes nothing", async () => {
  const { server, clock, shared, session, revoked, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  await session.signIn(server.signIn());

  await answer();

  expect(await code).toBe("ERR_REFRESH_FAILED");
  expect([shared.held?.tokens.accessToken, revoked]).toStrictEqual(["2.a0", []]);
  expect((await session.tokens()).accessToken).toBe("2.a0");
});

test("drops late tokens once the session is closed", async () => {
  const { clock, shared, session, answer, events } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  await session.close();
  const told = events.length;

  await answer();

  expect([await code, shared.held?.tokens.accessToken]).toStrictEqual(["ERR_REFRESH_FAILED", "a0"]);
  expect(events).toHaveLength(told);
  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
});

test.each<[string, () => Promise<TokenResponse | null>]>([
  ["a rejection", async () => null],
  ["an error", () => Promise.reject(new Error("late"))],
])("makes nothing of %s that comes late", async (_, outcome) => {
  const [server, clock, gate] = [createServer(), createClock(), createGate()];
  const refresh = () => gate.pass().then(outcome);
  const { session, events } = sessionOn(server, { clock, refresh, refreshAttempts: 1 });
  await session.signIn(server.signIn());
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);

  gate.open();
  await settled();

  expect(await code).toBe("ERR_REFRESH_FAILED");
  expect(session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "a0" } });
  expect(events.map(({ type }) => type)).toStrictEqual([
    "loaded",
    "signedIn",
    "refreshStarted",
    "refreshFailed",
  ]);
});

test("keeps a peer's newer tokens when its own come late", async () => {
  const { clock, shared, session, answer } = await slow();
  const code = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  const family = shared.held?.family ?? "";
  shared.held = { family, generation: 2, tokens: { accessToken: "a2" } };
  shared.hint();
  await settled();

  await answer();

  expect([await code, shared.held.generation]).toStrictEqual(["ERR_REFRESH_FAILED", 2]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a2" } });
});

test("does not take late tokens once the repeat's are stored, though the section is not left yet", async () => {
  const { clock, shared, session, answer } = await slow(3);
  const leaving = createGate();
  shared.next("exclusive", async (perform) => {
    await perform();
    await leaving.pass();
  });
  const refreshed = session.refresh();
  await clock.advance(10_000);
  await leaving.reached(1);
  const stored = shared.held?.tokens.accessToken;

  await answer();
  leaving.open();

  expect([stored, shared.held?.tokens.accessToken]).toStrictEqual(["a2", "a2"]);
  expect((await refreshed).accessToken).toBe("a2");
});

test("does not store late tokens in place of those that could not be stored, though the section is not left yet", async () => {
  const { clock, shared, session, answer } = await slow(3);
  const leaving = createGate();
  shared.next("exclusive", async (perform) => {
    await perform();
    await leaving.pass();
  });
  shared.next("save", rejects);
  const refreshed = session.refresh();
  await clock.advance(10_000);
  await leaving.reached(1);

  await answer();
  leaving.open();
  const { accessToken } = await refreshed;
  await clock.advance(300);

  expect([accessToken, shared.held?.tokens.accessToken]).toStrictEqual(["a2", "a2"]);
});

test("saves again what could not be saved, though the section is not left yet", async () => {
  const [server, clock, shared] = [createServer(), createClock(), createSharedStore()];
  const { session } = sessionOn(server, { clock, store: shared.peer() });
  await session.signIn(server.signIn());
  const leaving = createGate();
  shared.next("save", rejects);
  shared.next("exclusive", async (perform) => {
    await perform();
    await leaving.pass();
  });
  const refreshed = session.refresh();

  await clock.advance(5_000);
  leaving.open();
  await clock.advance(5_000);

  expect((await refreshed).accessToken).toBe("a1");
  expect(shared.held?.tokens.accessToken).toBe("a1");
});

test("does not put the late answer of an earlier round in the place of what the present one has stored", async () => {
  const [clock, shared, leave] = [createClock(), createSharedStore(), createGate()];
  const answers = [createGate(), createGate()];
  const store: SessionStore = {
    ...shared.peer(),
    async exclusive(task) {
      const result = await task();
      await leave.pass();
      return result;
    },
  };
  let attempts = 0;
  async function refresh(): Promise<TokenResponse> {
    const attempt = ++attempts;
    await answers[attempt - 1]?.pass();
    return { access_token: `a1.${attempt}`, token_type: "Bearer" };
  }
  const session = createSession({ clock, store, refresh, refreshAttempts: 1 });
  await session.signIn({ access_token: "a0" });
  const first = session.refresh().catch((error) => error.code);
  await clock.advance(10_000);
  leave.step();
  await first;
  const second = session.refresh();
  await settled();

  for (const answer of [...answers].reverse()) {
    answer.open();
    await settled();
  }
  leave.open();

  expect([await second, shared.held?.tokens]).toMatchObject([
    { accessToken: "a1.2" },
    { accessToken: "a1.2" },
  ]);
});
