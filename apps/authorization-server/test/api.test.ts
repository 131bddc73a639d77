import { createHash, randomBytes } from "node:crypto";
import { ReadableStream } from "node:stream/web";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createApi } from "../src/api.ts";
import { type AuthorizationServer, startAuthorizationServer } from "../src/index.ts";
import { listen } from "../src/listener.ts";
import { call, refresh, revoke, signedIn } from "./token-endpoint.ts";

let server: AuthorizationServer;
let a0: string;

beforeAll(async () => {
  server = await startAuthorizationServer({ accessTokenLifetime: 600 });
  ({ a0 } = await signedIn(server, "alice"));
});

afterAll(() => server.close());

const invalid = { status: 401, challenge: 'Bearer error="invalid_token"' };

async function refusal(answer: Promise<Response>): Promise<{ status: number; challenge: string | null }> {
  const response = await answer;
  await response.text();
  return { status: response.status, challenge: response.headers.get("www-authenticate") };
}

test("has an origin of its own", () => {
  expect(new URL(server.api).origin).toBe(server.api);
  expect(server.api).not.toBe(server.issuer);
});

test("answers with the account", async () => {
  const response = await call(server, "/me", a0);

  expect(await response.json()).toStrictEqual({ account: "alice", path: "/me" });
});

test.each([
  ["no token", {}, { status: 401, challenge: "Bearer" }],
  ["another scheme", { authorization: "Basic YTpi" }, { status: 401, challenge: "Bearer" }],
  ["a token that was never issued", { authorization: "Bearer made-up" }, invalid],
  ["a malformed token", { authorization: "Bearer %&/" }, invalid],
])("refuses %s with a challenge", async (_name, headers, expected) => {
  expect(await refusal(fetch(`${server.api}/me`, { headers }))).toStrictEqual(expected);
});

test("refuses a refresh token", async () => {
  const { r0 } = await signedIn(server, "alice");

  expect(await refusal(call(server, "/me", r0))).toStrictEqual(invalid);
});

test("refuses an expired token with a challenge", async () => {
  await using brief = await startAuthorizationServer({ accessTokenLifetime: 1 });
  const { a0: expired, r0 } = await signedIn(brief, "alice");

  await delay(1_100);

  expect(await refusal(call(brief, "/me", expired))).toStrictEqual(invalid);
  expect((await refresh(brief, r0)).status).toBe(200);
});

test("asks about every request, so that a revoked token is refused at once", async () => {
  const { a0: token } = await signedIn(server, "alice");
  expect((await call(server, "/me", token)).status).toBe(200);

  await revoke(server, token);

  expect(await refusal(call(server, "/me", token))).toStrictEqual(invalid);
});

// When a request for /slow or /late with ?ms=50 was sent, judged and answered, on the monotonic clock.
async function moments(path: string): Promise<{ sentAt: number; judgedAt: number; answeredAt: number }> {
  let judgedAt = 0;
  const listener = await listen(0, "port");
  listener.server.on(
    "request",
    createApi(async () => {
      judgedAt = performance.now();
      return { account: "alice" };
    }),
  );
  const sentAt = performance.now();
  const response = await fetch(`${listener.origin}${path}?ms=50`, {
    headers: { authorization: "Bearer a0" },
  });
  const answeredAt = performance.now();
  expect(await response.json()).toStrictEqual({ account: "alice", path: `${path}?ms=50` });
  await listener.close();
  return { sentAt, judgedAt, answeredAt };
}

test("judges on arrival where the answer is slow", async () => {
  const { judgedAt, answeredAt } = await moments("/slow");

  expect(answeredAt - judgedAt).toBeGreaterThan(45);
});

test("judges late where the refusal is to come late", async () => {
  const { sentAt, judgedAt } = await moments("/late");

  expect(judgedAt - sentAt).toBeGreaterThan(45);
});

test("refuses a token that was revoked while the API was still waiting", async () => {
  const { a0: token } = await signedIn(server, "alice");
  const answer = call(server, "/late?ms=400", token);

  await revoke(server, token);

  expect(await refusal(answer)).toStrictEqual(invalid);
});

test("says so when the provider cannot be asked", async () => {
  const listener = await listen(0, "port");
  listener.server.on(
    "request",
    createApi(() => Promise.reject(new Error("The introspection endpoint answered 503."))),
  );

  const response = await fetch(`${listener.origin}/me`, { headers: { authorization: "Bearer a0" } });

  expect(response.status).toBe(500);
  expect(await response.json()).toStrictEqual({
    error: "server_error",
    error_description: "The introspection endpoint answered 503.",
  });
  await listener.close();
});

test("refuses an upload without waiting for its end", async () => {
  const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_000)) });
  const request = { method: "PUT", body: endless, duplex: "half" } as RequestInit;

  expect(await refusal(call(server, "/upload", "made-up", request))).toStrictEqual(invalid);
});

test.each([
  ["JSON", "application/json", Buffer.from('{"n":1}')],
  ["bytes", "application/octet-stream", randomBytes(300_000)],
  ["nothing", "text/plain", Buffer.alloc(0)],
])("echoes %s with its type", async (_name, type, body) => {
  const response = await call(server, "/echo", a0, {
    method: "POST",
    headers: { "content-type": type },
    body,
  });

  expect(response.headers.get("content-type")).toBe(type);
  expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
});

test.each(["POST", "PUT"])("counts and hashes an upload that streams (%s)", async (method) => {
  const chunks = Array.from({ length: 40 }, () => randomBytes(50_000));

  const response = await call(server, "/upload", a0, {
    method,
    body: ReadableStream.from(chunks),
    duplex: "half",
  } as RequestInit);

  const sha256 = createHash("sha256").update(Buffer.concat(chunks)).digest("hex");
  expect(await response.json()).toStrictEqual({ account: "alice", bytes: 2_000_000, sha256 });
});

test("streams its answer as it goes", async () => {
  const response = await call(server, "/stream?chunks=3&ms=30", a0);

  const chunks: string[] = [];
  for await (const chunk of response.body as ReadableStream<Uint8Array>)
    chunks.push(Buffer.from(chunk).toString());
  expect(chunks).toStrictEqual(["chunk 1 of 3\n", "chunk 2 of 3\n", "chunk 3 of 3\n"]);
});

test("does not know other paths", async () => {
  const answers = ["/", "/nowhere", "/echo"].map((path) => call(server, path, a0));

  expect((await Promise.all(answers)).map(({ status }) => status)).toStrictEqual([404, 404, 404]);
});

test("answers a hundred requests at once", async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => call(server, "/me", a0)));

  expect(new Set(answers.map(({ status }) => status))).toStrictEqual(new Set([200]));
  await Promise.all(answers.map((answer) => answer.text()));
});
