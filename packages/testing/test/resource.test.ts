import { expect, test } from "vitest";
import { createServer, entriesAt } from "../src/index.ts";
import { get, refresh, revoke, wholeOf } from "./requests.ts";

test("answers a request with a good token by telling what it saw", async () => {
  const server = createServer();
  server.signIn();
  await refresh(server, "r0");

  const headers = { authorization: "Bearer a1" };
  const answer = await wholeOf(server.fetch("/orders?page=2", { method: "POST", body: "abc", headers }));

  expect(answer).toStrictEqual([
    200,
    { method: "POST", path: "/orders", search: "?page=2", family: 1, generation: 1, length: 3 },
  ]);
});

test.each([
  ["no token", {}, "Bearer"],
  ["credentials of another scheme", { authorization: "Basic abc" }, "Bearer"],
  ["an unknown token", { authorization: "Bearer undefined" }, 'Bearer error="invalid_token"'],
  ["two tokens", { authorization: "Bearer a0, Bearer a0" }, 'Bearer error="invalid_token"'],
])("refuses a request with %s", async (_, headers, challenge) => {
  const server = createServer();
  server.signIn();

  const response = await server.fetch("/me", { headers: new Headers(headers as Record<string, string>) });

  expect(response.status).toBe(401);
  expect(response.headers.get("www-authenticate")).toBe(challenge);
});

test.each(["bearer", "DPoP", "dpop"])("takes a token under the scheme %s", async (scheme) => {
  const server = createServer();
  server.signIn();

  expect((await server.fetch("/me", { headers: { authorization: `${scheme} a0` } })).status).toBe(200);
});

test("refuses every access token issued so far once the test expires them, and none issued later", async () => {
  const server = createServer();
  server.signIn();
  server.signIn();

  server.expire();
  await refresh(server, "r0");

  const answers = await Promise.all(["a0", "2.a0", "a1"].map((token) => get(server, "/me", token)));
  expect(answers.map(({ status }) => status)).toStrictEqual([401, 401, 200]);
});

test("expires one access token alone", async () => {
  const server = createServer();
  server.signIn();
  server.signIn();

  server.expire("a0");

  expect((await get(server, "/me", "a0")).status).toBe(401);
  expect((await get(server, "/me", "2.a0")).status).toBe(200);
});

test("logs which access tokens the test has expired, each once", async () => {
  const server = createServer();
  server.signIn();
  server.expire();
  await refresh(server, "r0");
  server.expire();

  expect(entriesAt(server.log, "expire").map(({ tokens }) => tokens)).toStrictEqual([["a0"], ["a1"]]);
});

test.each([
  [59_999, 200],
  [60_000, 401],
])("answers a token that lives 60 s after %i ms with %i", async (elapsed, status) => {
  let now = 5000;
  const server = createServer({ expiresIn: 60, now: () => now });
  server.signIn();

  now += elapsed;

  expect((await get(server, "/me", "a0")).status).toBe(status);
});

test("takes the earlier access token after a rotation", async () => {
  const server = createServer();
  server.signIn();

  await refresh(server, "r0");

  expect((await get(server, "/me", "a0")).status).toBe(200);
});

test("refuses the earlier access token after a rotation when the server revokes on rotating", async () => {
  const server = createServer({ revokeOnRotate: true });
  server.signIn();
  server.signIn();

  await refresh(server, "r0");

  const answers = await Promise.all(["a0", "a1", "2.a0"].map((token) => get(server, "/me", token)));
  expect(answers.map(({ status }) => status)).toStrictEqual([401, 200, 200]);
});

test("judges a request before fetch returns", async () => {
  const server = createServer();
  server.signIn();

  const early = get(server, "/me", "a0");
  server.expire();
  const late = get(server, "/me", "a0");

  expect([(await early).status, (await late).status]).toStrictEqual([200, 401]);
});

test("records a request with its bytes and fields, and whose token it carried", async () => {
  const server = createServer();
  server.signIn();
  const body = new Uint8Array([0, 255, 128, 10]);

  await server.fetch("/up?x=1", { method: "PUT", body, headers: { authorization: "Bearer a0", "x-a": "b" } });

  expect(entriesAt(server.log, "resource")).toStrictEqual([
    {
      at: "resource",
      arrived: 1,
      answered: 2,
      status: 200,
      method: "PUT",
      path: "/up",
      search: "?x=1",
      headers: { authorization: "Bearer a0", "x-a": "b" },
      body,
      token: "a0",
      family: 1,
      generation: 0,
      accepted: true,
    },
  ]);
});

test("takes strings, URLs and Requests, as fetch does", async () => {
  const server = createServer();
  const fetch: typeof globalThis.fetch = server.fetch;
  const request = new Request("https://elsewhere.test/c", { method: "POST", body: "abc" });

  const answers = [await fetch("/a"), await fetch(new URL("https://server.test/b")), await fetch(request)];

  expect(request.bodyUsed).toBe(true);
  expect(answers.map(({ url }) => url)).toStrictEqual([
    "https://server.test/a",
    "https://server.test/b",
    "https://elsewhere.test/c",
  ]);
  expect(entriesAt(server.log, "resource").map(({ body }) => body.length)).toStrictEqual([0, 0, 3]);
});

test("revokes the family of a refresh token, whatever is left of it", async () => {
  const server = createServer();
  server.signIn();

  expect((await revoke(server, "r0")).status).toBe(200);

  expect((await get(server, "/me", "a0")).status).toBe(401);
  expect((await refresh(server, "r0")).status).toBe(400);
});

test("revokes an access token alone", async () => {
  const server = createServer();
  server.signIn();
  server.signIn();

  await revoke(server, "a0");

  const answers = await Promise.all(["a0", "2.a0"].map((token) => get(server, "/me", token)));
  expect(answers.map(({ status }) => status)).toStrictEqual([401, 200]);
  expect((await refresh(server, "r0")).status).toBe(200);
  expect(entriesAt(server.log, "revoke")[0]).toMatchObject({
    presented: "a0",
    outcome: "revoked",
    family: 1,
  });
});

test("answers the revocation of an unknown token with 200, and one without a token with an error", async () => {
  const server = createServer();

  expect((await revoke(server, "r9")).status).toBe(200);
  expect(await wholeOf(revoke(server, ""))).toStrictEqual([400, { error: "invalid_request" }]);
  expect(entriesAt(server.log, "revoke").map(({ outcome }) => outcome)).toStrictEqual([
    "unknown",
    "malformed",
  ]);
});
