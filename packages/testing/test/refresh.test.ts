import { expect, test } from "vitest";
import { createServer, entriesAt, ledger, secretTokens } from "../src/index.ts";
import { get, refresh, wholeOf } from "./requests.ts";

const invalidGrant = [400, { error: "invalid_grant" }];

test("signs in with a token response of its own family", () => {
  const server = createServer();

  expect(server.signIn()).toStrictEqual({ access_token: "a0", token_type: "Bearer", refresh_token: "r0" });
  expect(server.signIn()).toStrictEqual({
    access_token: "2.a0",
    token_type: "Bearer",
    refresh_token: "2.r0",
  });
});

test("signs in without a refresh token, and with a lifetime, when asked", () => {
  const server = createServer();

  const response = server.signIn({ refreshToken: false, expiresIn: 60 });

  expect(response).toStrictEqual({ access_token: "a0", token_type: "Bearer", expires_in: 60 });
});

test("rotates the refresh token", async () => {
  const server = createServer({ expiresIn: 60 });
  server.signIn();

  const answers = [await wholeOf(refresh(server, "r0")), await wholeOf(refresh(server, "r1"))];

  expect(answers).toStrictEqual([
    [200, { access_token: "a1", token_type: "Bearer", expires_in: 60, refresh_token: "r1" }],
    [200, { access_token: "a2", token_type: "Bearer", expires_in: 60, refresh_token: "r2" }],
  ]);
});

test("keeps the refresh token when rotation is off", async () => {
  const server = createServer({ rotate: false });
  server.signIn();

  const answers = [await wholeOf(refresh(server, "r0")), await wholeOf(refresh(server, "r0"))];

  expect(answers).toStrictEqual([
    [200, { access_token: "a1", token_type: "Bearer" }],
    [200, { access_token: "a2", token_type: "Bearer" }],
  ]);
  expect(entriesAt(server.log, "token").map(({ outcome }) => outcome)).toStrictEqual(["renewed", "renewed"]);
});

test("revokes the whole family when a rotated refresh token is seen again", async () => {
  const server = createServer();
  server.signIn();
  await refresh(server, "r0");

  expect(await wholeOf(refresh(server, "r0"))).toStrictEqual(invalidGrant);
  expect(await wholeOf(refresh(server, "r1"))).toStrictEqual(invalidGrant);
  expect((await get(server, "/me", "a1")).status).toBe(401);
  expect(entriesAt(server.log, "token").map(({ outcome }) => outcome)).toStrictEqual([
    "rotated",
    "reused",
    "revoked",
  ]);
});

test("leaves other families alone when one is revoked", async () => {
  const server = createServer();
  server.signIn();
  server.signIn();
  await refresh(server, "r0");
  await refresh(server, "r0");

  expect((await refresh(server, "2.r0")).status).toBe(200);
  expect((await get(server, "/me", "2.a1")).status).toBe(200);
});

test("counts every reuse from the log", async () => {
  const server = createServer();
  server.signIn();

  await Promise.all(Array.from({ length: 3 }, () => refresh(server, "r0")));

  const { attempts, refreshes, reuses } = ledger(server.log);
  expect({ attempts, refreshes, reuses }).toStrictEqual({ attempts: 3, refreshes: 1, reuses: 2 });
});

test("redeems a refresh token once more for each use of the grace, each time for a new generation", async () => {
  const server = createServer({ grace: { uses: 1 } });
  server.signIn();

  const answers = [await refresh(server, "r0"), await refresh(server, "r0"), await refresh(server, "r0")];

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 400]);
  expect(entriesAt(server.log, "token").map(({ outcome, issued }) => [outcome, issued])).toStrictEqual([
    ["rotated", { access: "a1", refresh: "r1" }],
    ["graced", { access: "a2", refresh: "r2" }],
    ["reused", undefined],
  ]);
});

test.each([
  [999, "graced"],
  [1000, "reused"],
])("%i ms after a rotation, a grace of 1000 ms makes it %s", async (elapsed, outcome) => {
  let now = 5000;
  const server = createServer({ grace: { within: 1000 }, now: () => now });
  server.signIn();
  await refresh(server, "r0");

  now += elapsed;
  await refresh(server, "r0");

  expect(entriesAt(server.log, "token")[1]?.outcome).toBe(outcome);
});

test("a grace does not bring a revoked family back", async () => {
  const server = createServer({ grace: { uses: 9 } });
  server.signIn();
  await refresh(server, "r0");
  server.withdraw();

  expect(await wholeOf(refresh(server, "r0"))).toStrictEqual(invalidGrant);
});

test("refuses a refresh token it never issued", async () => {
  const server = createServer();

  expect(await wholeOf(refresh(server, "r7"))).toStrictEqual(invalidGrant);
  expect(entriesAt(server.log, "token")[0]?.outcome).toBe("unknown");
});

test("refuses every family that was withdrawn", async () => {
  const server = createServer();
  server.signIn();
  server.signIn();

  server.withdraw(1);

  expect(await wholeOf(refresh(server, "r0"))).toStrictEqual(invalidGrant);
  expect((await get(server, "/me", "a0")).status).toBe(401);
  expect((await get(server, "/me", "2.a0")).status).toBe(200);
});

test("forbids a cache to keep a token answer", async () => {
  const server = createServer();
  server.signIn();

  expect((await refresh(server, "r0")).headers.get("cache-control")).toBe("no-store");
});

const form = (fields: Record<string, string> | string, init?: RequestInit): RequestInit => ({
  method: "POST",
  body: new URLSearchParams(fields),
  ...init,
});
const good = { grant_type: "refresh_token", refresh_token: "r0" };

test.each<[string, RequestInit, number, string]>([
  ["that is a GET", {}, 405, "invalid_request"],
  ["that is a PUT", form(good, { method: "PUT" }), 405, "invalid_request"],
  ["that is no form", form(good, { headers: { "content-type": "text/plain" } }), 400, "invalid_request"],
  ["without a body", { method: "POST" }, 400, "invalid_request"],
  ["without a grant type", form({ refresh_token: "r0" }), 400, "invalid_request"],
  ["of another grant type", form({ grant_type: "password" }), 400, "unsupported_grant_type"],
  ["without a refresh token", form({ grant_type: "refresh_token" }), 400, "invalid_request"],
  [
    "with an empty refresh token",
    form({ grant_type: "refresh_token", refresh_token: "" }),
    400,
    "invalid_request",
  ],
  [
    "with a parameter twice",
    form("grant_type=refresh_token&refresh_token=r0&refresh_token=r0"),
    400,
    "invalid_request",
  ],
])("answers a token request %s with the error that RFC 6749 has for it", async (_, init, status, error) => {
  const server = createServer();
  server.signIn();

  expect(await wholeOf(server.fetch("/token", init))).toStrictEqual([status, { error }]);
  expect(entriesAt(server.log, "token")[0]?.outcome).toBe("malformed");
  expect((await refresh(server, "r0")).status).toBe(200);
});

test("issues long tokens in the form of a JWT, each unlike the others", async () => {
  const server = createServer({ tokens: secretTokens });
  const first = server.signIn();
  const second = server.signIn();
  const third = await (await refresh(server, first.refresh_token ?? "")).json();

  const all = [first, second, third].flatMap(({ access_token, refresh_token }) => [
    access_token,
    refresh_token,
  ]);
  expect(new Set(all).size).toBe(6);
  for (const token of all) expect(token).toMatch(/^[\w-]{20,}\.[\w-]{40,}\.[\w-]{40,}$/);
  expect((await get(server, "/me", third.access_token)).status).toBe(200);
});
