import { createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore } from "./shared-store.ts";
import { clientOf, createClock, refreshAt, sessionOn, settled } from "./support.ts";

const restored = { accessToken: "a0", refreshToken: "r0", tokenType: "Bearer" };

test("tries one refresh with an empty store, and serves what it brings", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const refresh = async () => server.signIn();
  const options = { clock: createClock(), restore: true, store: shared.peer(), refresh };
  const { session, events } = sessionOn(server, options);

  const before = session.state;
  await session.loaded;
  await settled();

  expect(before).toStrictEqual({ status: "loading" });
  expect(session.state).toStrictEqual({ status: "signedIn", tokens: restored, refreshing: false });
  expect(shared.held).toMatchObject({ generation: 0, tokens: restored });
  expect(events).toStrictEqual([
    { type: "refreshStarted", reason: "restore", attempt: 1 },
    { type: "loaded" },
    { type: "refreshed", by: "us" },
  ]);
});

test("gives refresh an empty refresh token, and no tokens", async () => {
  const server = createServer();
  const given: unknown[] = [];
  const { session } = sessionOn(server, {
    clock: createClock(),
    restore: true,
    refresh: async ({ refreshToken, tokens, attempt }) => {
      given.push({ refreshToken, tokens, attempt });
      return null;
    },
  });
  await session.loaded;

  expect(given).toStrictEqual([{ refreshToken: "", tokens: {}, attempt: 1 }]);
});

test("holds requests until it is known, and sends them with what was restored", async () => {
  const server = createServer();
  const options = { clock: createClock(), restore: true, refresh: async () => server.signIn() };
  const api = clientOf(sessionOn(server, options).session, server);

  const answers = await Promise.all([api("/1"), api("/2")]);

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
  expect(story(server.log).slice(0, 3)).toStrictEqual(["signIn: a0 r0", "→ GET /1 a0", "→ GET /2 a0"]);
});

test("is signed out, without an error, when the restoring refresh is rejected", async () => {
  const server = createServer();
  const options = { clock: createClock(), restore: true, refresh: async () => null };
  const { session, events } = sessionOn(server, options);
  const held = clientOf(session, server)("/me");

  await session.loaded;

  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect((await held).status).toBe(401);
  expect(story(server.log)).toStrictEqual(["→ GET /me", "← 401 GET /me"]);
  expect(events.map(({ type }) => type)).toStrictEqual(["refreshStarted", "held", "loaded", "released"]);
});

test("does not call it signed out when the restoring refresh fails, and tries again after its cool-down", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.signIn();
  server.next("token", { error: "invalid_scope" });
  const refresh = (context: Parameters<ReturnType<typeof refreshAt>>[0]) =>
    refreshAt(server)({ ...context, refreshToken: "r0" });
  const { session } = sessionOn(server, { clock, restore: true, refresh });
  const api = clientOf(session, server);

  const code = await api("/1").catch((error) => error.code);
  await session.loaded;
  const before = session.state;
  await clock.advance(1000);

  expect([code, before]).toStrictEqual(["ERR_REFRESH_FAILED", { status: "loading" }]);
  expect((await api("/2")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, requests: 1 });
});

test("restores nothing where the store holds something", async () => {
  const server = createServer();
  const record = { family: "one", generation: 0, tokens: restored };
  const store = createSharedStore(record).peer();
  const { session } = sessionOn(server, { clock: createClock(), restore: true, store });
  await session.loaded;

  expect(session.state).toMatchObject({ status: "signedIn", tokens: restored });
  expect(ledger(server.log).attempts).toBe(0);
});

test("restores once for all sessions that share a store", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const refresh = async () => server.signIn();
  const open = () =>
    sessionOn(server, { clock: createClock(), restore: true, store: shared.peer(), refresh }).session;

  const sessions = [open(), open(), open()];
  await Promise.all(sessions.map(({ loaded }) => loaded));
  await settled();

  expect(sessions.map(({ state }) => state)).toStrictEqual(
    Array(3).fill({ status: "signedIn", tokens: restored, refreshing: false }),
  );
  expect(ledger(server.log).signIns).toBe(1);
});

test.each([
  { by: "sign-in", state: { status: "signedIn", tokens: { accessToken: "mine" }, refreshing: false } },
  { by: "sign-out", state: { status: "signedOut" } },
])("drops what a restoring refresh brings after a $by", async ({ by, state }) => {
  const [server, shared] = [createServer(), createSharedStore()];
  let bring = () => {};
  const refresh = () =>
    new Promise<ReturnType<typeof server.signIn>>((resolve) => {
      bring = () => resolve(server.signIn());
    });
  const { session } = sessionOn(server, {
    clock: createClock(),
    restore: true,
    store: shared.peer(),
    refresh,
  });
  await settled();

  await (by === "sign-in" ? session.signIn({ accessToken: "mine" }) : session.signOut());
  bring();
  await settled();

  expect(session.state).toStrictEqual(state);
  expect(shared.held?.tokens.accessToken).toBe(by === "sign-in" ? "mine" : undefined);
});

test("revokes nothing at a sign-out of a session that is still being restored", async () => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const { session } = sessionOn(server, {
    clock: createClock(),
    restore: true,
    store: shared.peer(),
    refresh: () => new Promise(() => {}),
    revoke: async (tokens) => void revoked.push(tokens),
  });
  await settled();

  await session.signOut();
  await settled();

  expect([session.state, revoked]).toStrictEqual([{ status: "signedOut" }, []]);
});

test("fails who asked for a refresh while the store was read together with the refresh that restores", async () => {
  let asked = 0;
  const refresh = async () => {
    asked++;
    return new Response(null, { status: 503 });
  };
  const options = { clock: createClock(), restore: true, refreshAttempts: 1, refresh };
  const { session, events } = sessionOn(createServer(), { ...options, store: createSharedStore().peer() });

  const code = await session.refresh().catch((error) => error.code);
  await settled();

  expect([code, asked]).toStrictEqual(["ERR_REFRESH_FAILED", 1]);
  expect(events.map(({ type }) => type)).toStrictEqual(["refreshStarted", "refreshFailed"]);
});

test("counts nobody as held who asked for a refresh while the store was read", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session, events } = sessionOn(server, { clock: createClock(), store: shared.peer() });

  const code = await session.refresh().catch((error) => error.code);
  await settled();

  expect([code, events]).toStrictEqual(["ERR_SIGNED_OUT", [{ type: "loaded" }]]);
});

test("stores no refresh token alone when the refresh that restores brings no tokens that can be used", async () => {
  const shared = createSharedStore();
  const refresh = async () => ({ access_token: "a0", token_type: "MAC", refresh_token: "r0" });
  const options = { clock: createClock(), restore: true, store: shared.peer(), refresh };
  const { session } = sessionOn(createServer(), options);

  const code = await session.tokens().catch((error) => error.code);
  await settled();

  expect([code, shared.held]).toStrictEqual(["ERR_REFRESH_FAILED", null]);
});
