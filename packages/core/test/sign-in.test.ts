import type { TokenResponse, TokenSet } from "@freshtoken/core";
import { createGate, createServer, ledger, story } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore, late } from "./shared-store.ts";
import { begin, clientOf, createClock, sessionOn, settled } from "./support.ts";

test("takes the wire form, and a token set", async () => {
  const clock = createClock();
  const { session } = sessionOn(createServer(), { clock });

  await session.signIn({ access_token: "a0", expires_in: 60, scope: "read", sub: "me" });
  const wire = session.state;
  await session.signIn({ accessToken: "2.a0", expiresAt: clock.now() + 1000 });

  const issuedAt = clock.now();
  expect(wire).toMatchObject({
    tokens: {
      accessToken: "a0",
      issuedAt,
      expiresAt: issuedAt + 60_000,
      scope: "read",
      extra: { sub: "me" },
    },
  });
  expect(session.state).toMatchObject({
    tokens: { accessToken: "2.a0", issuedAt, expiresAt: issuedAt + 1000 },
  });
});

test.each<[string, unknown]>([
  ["undefined", undefined],
  ["null", null],
  ["a string", "a0"],
  ["an empty object", {}],
  ["an array", [{ access_token: "a0" }]],
  ["no access token", { refresh_token: "r0" }],
  ["an access token that is empty", { access_token: "" }],
  ["an access token with a line break", { access_token: "a0\n" }],
  ["an access token with an umlaut", { access_token: "ä0" }],
  ["a refresh token that is a number", { access_token: "a0", refresh_token: 7 }],
  ["a token type that is not ours", { access_token: "a0", token_type: "MAC" }],
  ["an expiresAt that is a string", { accessToken: "a0", expiresAt: "tomorrow" }],
])("rejects with a TypeError that names signIn, and changes nothing, for %s", async (_, tokens) => {
  const server = createServer();
  const { session, events } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  const told = events.length;

  const error = await session.signIn(tokens as TokenSet).catch((error) => error);
  await settled();

  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toMatch(/^`signIn`: /);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a0" } });
  expect(events).toHaveLength(told);
});

test("takes effect at once, and resolves when it is stored", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  shared.next("save", late(gate));
  let resolved = false;

  const signedIn = session.signIn(server.signIn()).then(() => {
    resolved = true;
  });
  const { status } = session.state;
  await gate.reached(1);
  await settled();
  const before = resolved;
  gate.open();
  await signedIn;

  expect([status, before, resolved]).toStrictEqual(["signedIn", false, true]);
});

test.each([
  { when: "before the server has rotated", hold: "request" as const },
  { when: "after the server has rotated", hold: "answer" as const },
])("overtakes a round $when: its late result is not stored, not served, not revoked", async ({ hold }) => {
  const [server, shared, revoked] = [createServer(), createSharedStore(), [] as unknown[]];
  const revoke = async (tokens: TokenSet) => void revoked.push(tokens);
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer(), revoke });
  await session.signIn(server.signIn());
  const gate = server.gate("token", hold);
  const refreshed = session.refresh().catch(({ code }) => code);
  await gate.reached(1);

  await session.signIn(server.signIn());
  gate.open();
  await settled();

  expect([await refreshed, revoked]).toStrictEqual(["ERR_SIGNED_OUT", []]);
  expect(shared.held?.tokens.accessToken).toBe("2.a0");
  expect((await session.tokens()).accessToken).toBe("2.a0");
});

test("sends nothing of the earlier family under the new one", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  const api = clientOf(session, server);
  await session.signIn(server.signIn());
  server.expire();
  const gate = server.gate("token", "answer");
  const refused = api("/refused").catch(({ code }) => code);
  await gate.reached(1);
  const held = api("/held").catch(({ code }) => code);

  await session.signIn(server.signIn());
  const after = await api("/after");
  gate.open();

  expect(await Promise.all([refused, held])).toStrictEqual(["ERR_SIGNED_OUT", "ERR_SIGNED_OUT"]);
  expect(after.status).toBe(200);
  expect(story(server.log).filter((line) => line.startsWith("→ GET"))).toStrictEqual([
    "→ GET /refused a0",
    "→ GET /after 2.a0",
  ]);
});

test("rejects what was refused late, after another sign-in, with SignedOutError", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  server.expire();
  const gate = server.gate("/late", "answer");
  const code = clientOf(session, server)("/late").catch((error) => error.code);
  await gate.reached(1);

  await session.signIn(server.signIn());
  gate.open();

  expect(await code).toBe("ERR_SIGNED_OUT");
  expect(ledger(server.log)).toMatchObject({ requests: 1, attempts: 0 });
});

test("refreshes the new family while the attempt of the old one still hangs", async () => {
  const [server, shared] = [createServer(), createSharedStore()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  server.next("token", { hang: "before" });
  const old = session.refresh().catch(({ code }) => code);
  await server.when((log) => ledger(log).attempts === 1);

  await session.signIn(server.signIn());
  const tokens = await session.refresh();

  expect([await old, tokens.accessToken]).toStrictEqual(["ERR_SIGNED_OUT", "2.a1"]);
  expect(shared.held?.tokens.accessToken).toBe("2.a1");
});

test("ends a round that sleeps between attempts", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.next("token", { status: 503 });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const refreshed = session.refresh().catch(({ code }) => code);
  await server.when((log) => ledger(log).attempts === 1);
  await settled();

  await session.signIn(server.signIn());
  await settled();

  expect([await refreshed, clock.timers]).toStrictEqual(["ERR_SIGNED_OUT", { all: 0, keepAlive: 0 }]);
  await clock.advance(60_000);
  expect(ledger(server.log).attempts).toBe(1);
});

test("has the last word over a save in flight of the earlier family", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.signIn(server.signIn());
  shared.next("save", late(gate));
  const refreshed = session.refresh().catch(({ code }) => code);
  await gate.reached(1);

  const signedIn = session.signIn(server.signIn());
  gate.open();
  await signedIn;

  expect([await refreshed, shared.held?.tokens.accessToken]).toStrictEqual(["ERR_SIGNED_OUT", "2.a0"]);
});

test("overtakes a sign-in that is not stored yet", async () => {
  const [server, shared, gate] = [createServer(), createSharedStore(), createGate()];
  const { session } = sessionOn(server, { clock: createClock(), store: shared.peer() });
  await session.loaded;
  shared.next("save", late(gate));

  const first = session.signIn(server.signIn());
  const held = clientOf(session, server)("/me").catch(({ code }) => code);
  await gate.reached(1);
  const second = session.signIn(server.signIn());
  gate.open();
  await Promise.all([first, second]);

  expect([await held, shared.held?.tokens.accessToken]).toStrictEqual(["ERR_SIGNED_OUT", "2.a0"]);
});

test("ends the cool-down of a failed round", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  const api = clientOf(session, server);
  await session.signIn(server.signIn());
  server.next("token", { error: "invalid_scope" });
  await session.refresh().catch(() => {});

  await session.signIn(server.signIn());
  server.expire();

  expect((await api("/me")).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1 });
});

test("forgets the rejection that ended the session before", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { clock: createClock() });
  await session.signIn(server.signIn());
  server.withdraw();
  await session.refresh().catch(() => {});
  const before = session.state;

  await session.signIn(server.signIn());
  await session.signOut();

  expect(before).toMatchObject({ status: "signedOut", error: { code: "ERR_REFRESH_REJECTED" } });
  expect(session.state).toStrictEqual({ status: "signedOut" });
});

test("starts a family of its own each time, though the tokens are the same", async () => {
  const shared = createSharedStore();
  const { session } = sessionOn(createServer(), { clock: createClock(), store: shared.peer() });
  const tokens: TokenResponse = { access_token: "a0" };

  await session.signIn(tokens);
  const first = shared.held?.family;
  await session.signIn(tokens);

  expect(shared.held?.family).not.toBe(first);
});

test("is not held up by the back-off of a round that a sign-in overtook", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const late = createGate();
  server.next("token", { status: 503, answerAfter: late }, { status: 503 });
  const old = session.refresh().catch(({ code }) => code);
  await late.reached(1);

  await session.signIn(server.signIn());
  const refreshed = session.refresh();
  await settled();
  late.open();
  await clock.advance(300);

  expect([await old, (await refreshed).accessToken]).toStrictEqual(["ERR_SIGNED_OUT", "2.a1"]);
});

test("rejects at once what is stamped with an earlier family, and refreshes nothing for it", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  const family = session.connect({ origins: [server.origin] }).family();
  await session.signIn({ ...server.signIn(), expires_in: 1 });
  await clock.advance(1000);

  const code = await clientOf(session, server)("/me", { family }).catch((error) => error.code);
  await settled();

  expect(code).toBe("ERR_SIGNED_OUT");
  expect(ledger(server.log)).toMatchObject({ attempts: 0, requests: 0 });
});

test("does not give refresh() the tokens of a sign-in that came before it could take its own", async () => {
  const { clock, server, session, request } = await begin();
  clock.jump(3_600_000);
  server.next("/1", () => void session.signIn({ accessToken: "2.a0" }));

  const first = request("/1").catch(() => {});
  const code = await session.refresh().catch((error) => error.code);
  await first;

  expect(code).toBe("ERR_SIGNED_OUT");
});
