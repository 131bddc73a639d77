import { jwtExpiresAt, type SessionOptions, type TokenSet } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createSharedStore } from "./shared-store.ts";
import { clientOf, createClock, refreshAt, sessionOn, settled } from "./support.ts";

const clock = createClock();
const now = clock.now();

/** The tokens after one refresh of `tokens`. */
async function refreshed(
  tokens: TokenSet,
  answer: Awaited<ReturnType<SessionOptions["refresh"]>>,
): Promise<TokenSet> {
  const { session } = sessionOn(createServer(), { clock, tokens, refresh: async () => answer });
  return session.refresh();
}

test("keeps the refresh token, the scope and the id token that a response leaves out", async () => {
  const before = {
    accessToken: "a0",
    refreshToken: "r0",
    scope: "read",
    idToken: "id0",
    extra: { sub: "me" },
  };

  expect(await refreshed(before, { access_token: "a1" })).toStrictEqual({ ...before, accessToken: "a1" });
});

test("takes what a response brings in place of what there was", async () => {
  const before = {
    accessToken: "a0",
    refreshToken: "r0",
    scope: "read",
    idToken: "id0",
    extra: { sub: "me" },
  };
  const answer = { access_token: "a1", refresh_token: "r1", scope: "all", id_token: "id1", sub: "you" };

  expect(await refreshed(before, answer)).toStrictEqual({
    accessToken: "a1",
    refreshToken: "r1",
    scope: "all",
    idToken: "id1",
    extra: { sub: "you" },
  });
});

test("forgets an expiry that a response leaves out", async () => {
  const before = { accessToken: "a0", expiresAt: now + 3_600_000, issuedAt: now };

  expect(await refreshed(before, { access_token: "a1" })).toStrictEqual({ accessToken: "a1" });
});

test("keeps redeeming the same refresh token where the server does not rotate", async () => {
  const server = createServer({ rotate: false });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());

  await session.refresh();
  await session.refresh();

  expect(server.log.filter(({ at }) => at === "token")).toMatchObject([
    { presented: "r0" },
    { presented: "r0" },
  ]);
  expect(ledger(server.log)).toMatchObject({ refreshes: 2, reuses: 0 });
});

test("counts expires_in from the moment of the request", async () => {
  const own = createClock();
  const server = createServer({ expiresIn: 3600, now: own.now });
  const { session } = sessionOn(server, { clock: own });
  await session.signIn(server.signIn());
  const gate = server.gate("token", "answer");
  const requestedAt = own.now();

  const tokens = session.refresh();
  await gate.reached(1);
  await own.advance(4000);
  gate.open();

  expect(await tokens).toMatchObject({ issuedAt: requestedAt, expiresAt: requestedAt + 3_600_000 });
});

test.each([
  ["0", 0],
  ["negative", -1],
  ["NaN", Number.NaN],
  ["infinite", Number.POSITIVE_INFINITY],
  ["longer than ten years", 315_360_001],
  ["a word", "soon"],
  ["an object", {}],
  ["null", null],
])("takes an expires_in that is %s for unknown", async (_, expires_in) => {
  const answer = { access_token: "a1", expires_in: expires_in as number };

  expect(await refreshed({ accessToken: "a0" }, answer)).toStrictEqual({ accessToken: "a1" });
});

test("takes an expires_in that is a string of digits for a number", async () => {
  const answer = { access_token: "a1", expires_in: "3600" as unknown as number };

  expect(await refreshed({ accessToken: "a0" }, answer)).toStrictEqual({
    accessToken: "a1",
    issuedAt: now,
    expiresAt: now + 3_600_000,
  });
});

test.each([
  ["has expired", { expiresAt: now - 1 }],
  ["has expired long ago", { expiresAt: 1, issuedAt: 0 }],
  ["expires this moment", { expiresAt: now }],
  ["has less than the leeway left", { expiresAt: now + 4999 }],
])("uses a token set that %s when it arrives until it is refused", async (_, times) => {
  const server = createServer();
  const refresh: SessionOptions["refresh"] = async (context) => {
    const { access_token, refresh_token } = await ((await refreshAt(server)(context)) as Response).json();
    return { accessToken: access_token, refreshToken: refresh_token, ...times };
  };
  const { session } = sessionOn(server, { clock, refresh });
  const api = clientOf(session, server);
  await session.signIn({ ...server.signIn(), expires_in: 1 });
  await session.refresh();

  const fresh = [await api("/1"), await api("/2")];
  const before = ledger(server.log).attempts;
  server.expire();
  await api("/3");

  expect(fresh.map(({ status }) => status)).toStrictEqual([200, 200]);
  expect([before, ledger(server.log).attempts]).toStrictEqual([1, 2]);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a2", refreshToken: "r2" } });
});

test("does not refresh again at once what is ageing when it arrives", async () => {
  const server = createServer();
  const own = createClock();
  let asked = 0;
  const refresh = async () => {
    asked++;
    return { accessToken: "a1", issuedAt: own.now() - 3_500_000, expiresAt: own.now() + 50_000 };
  };
  const { session } = sessionOn(server, { clock: own, tokens: { accessToken: "a0", expiresAt: 0 }, refresh });

  await session.tokens();
  await session.tokens();
  await settled();

  expect(asked).toBe(1);
});

const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.e30`;

test("tells a JWT's expiry by exp − iat, so that a wrong local clock does not matter", () => {
  const before = Date.now();

  const expiresAt = jwtExpiresAt(jwt({ iat: 1000, exp: 1300 })) ?? 0;

  expect(expiresAt).toBeGreaterThanOrEqual(before + 300_000);
  expect(expiresAt).toBeLessThanOrEqual(Date.now() + 300_000);
});

test.each([
  ["a JWT without iat", jwt({ exp: 1300 }), 1_300_000],
  ["a JWT without exp", jwt({ iat: 1000 }), undefined],
  ["a JWT whose exp is a string", jwt({ exp: "1300" }), undefined],
  ["an opaque token", "a0", undefined],
  ["three parts that are no JSON", "a.b.c", undefined],
  ["nothing", "", undefined],
])("reads the expiry of %s", (_, token, expiresAt) => {
  expect(jwtExpiresAt(token)).toBe(expiresAt);
});

test.each<[string, object]>([
  ["has no refresh token", { access_token: "a1", token_type: "MAC" }],
  ["has the same refresh token", { access_token: "a1", token_type: "MAC", refresh_token: "r0" }],
])("stores nothing of an answer that cannot be used where it %s", async (_, answer) => {
  const shared = createSharedStore();
  const given: string[] = [];
  const { session } = sessionOn(createServer(), {
    clock: createClock(),
    store: shared.peer(),
    async refresh({ refreshToken }) {
      given.push(refreshToken);
      return answer as never;
    },
  });
  await session.signIn({ accessToken: "a0", refreshToken: "r0" });
  const before = shared.held;

  await session.refresh().catch(() => {});
  await session.refresh().catch(() => {});

  expect(given).toStrictEqual(["r0", "r0"]);
  expect(shared.held).toBe(before);
});
