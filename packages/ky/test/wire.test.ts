import { createSession, type SessionOptions } from "@freshtoken/core";
import { createClock } from "@freshtoken/testing";
import type { KyInstance, Options } from "ky";
import nock from "nock";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sessionHooks } from "../src/index.ts";
import { outcomeOf, type Release, refreshThrough, releases } from "./support.ts";

const API = "https://api.test";
const AUTH = "https://auth.test";
const TOKENS = { accessToken: "a0", refreshToken: "r0" };

/** A request as it left. */
interface Sent {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  /** One character a byte. */
  readonly body: string;
}

let sent: Sent[];

// nock answers what nobody expects with a 501: it is noted too.
const unexpected = async (request: Request) => void sent.push(await read(request.clone()));

beforeEach(() => {
  sent = [];
  if (!nock.isActive()) nock.activate();
  nock.disableNetConnect();
  nock.emitter.on("no match", unexpected);
});

afterEach(() => {
  nock.emitter.off("no match", unexpected);
  nock.cleanAll();
  nock.enableNetConnect();
  nock.restore();
});

/** Notes what reaches the API, whatever its method, and answers it with one status after the other. */
function expectRequests(method: string, ...statuses: number[]): void {
  for (const status of statuses) {
    nock(API)
      .intercept(/.*/, method)
      .reply(async (request: Request) => {
        sent.push(await read(request));
        return [status];
      });
  }
}

/** Notes one request to the token endpoint, and answers it with a1 and r1. */
function expectRefresh(): void {
  nock(AUTH)
    .post("/token")
    .reply(async (request: Request) => {
      sent.push(await read(request));
      return [200, { access_token: "a1", token_type: "Bearer", refresh_token: "r1" }];
    });
}

async function read(request: Request): Promise<Sent> {
  const body = Buffer.from(await request.arrayBuffer()).toString("latin1");
  return { line: `${request.method} ${request.url}`, headers: Object.fromEntries(request.headers), body };
}

/** A client whose session holds a0. */
async function attached(via: Release, options: Partial<SessionOptions> = {}): Promise<KyInstance> {
  const session = createSession({ refresh: refreshThrough(fetch, AUTH), tokens: TOKENS, ...options });
  await session.loaded;
  return via.ky.create({ prefix: `${API}/v1`, hooks: sessionHooks(session) });
}

const authorized = (request: Sent | undefined, authorization: string) => ({
  ...request,
  headers: { ...request?.headers, authorization },
});

/** The boundary of a multipart body is drawn anew for each send, and always of the same length. */
function withoutBoundary({ headers, body, ...rest }: Sent): Sent {
  const boundary = /boundary=(\S+)/.exec(`${headers["content-type"]}`)?.[1] ?? "";
  const type = `${headers["content-type"]}`.replace(boundary, "…");
  return { ...rest, headers: { ...headers, "content-type": type }, body: body.replaceAll(boundary, "…") };
}

function form(): FormData {
  const form = new FormData();
  form.append("name", "ü");
  form.append("file", new Blob([BYTES], { type: "image/png" }), "a.png");
  return form;
}

const BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);
const latin1 = (text: string) => Buffer.from(text).toString("latin1");

describe.each(releases)("through $name", (via) => {
  test("sends and replays what ky would send without a session, but for Authorization", async () => {
    const client = await attached(via);
    expectRequests("POST", 200, 401, 200);
    expectRefresh();
    const headers = { "X-Request-Id": "1", Accept: "text/plain" };
    const asked = { json: { name: "ü" }, searchParams: { q: "é &" }, headers };

    await client.post("orders", { ...asked, context: { session: false } });
    await client.post("orders", asked);

    const [bare, first, , second] = sent;
    expect(bare).toMatchObject({
      line: `POST ${API}/v1/orders?q=%C3%A9+%26`,
      headers: {
        accept: "text/plain",
        "content-length": "13",
        "content-type": "application/json",
        host: "api.test",
        "x-request-id": "1",
      },
      body: latin1('{"name":"ü"}'),
    });
    expect([first, second]).toStrictEqual([authorized(bare, "Bearer a0"), authorized(bare, "Bearer a1")]);
    expect([sent.length, nock.pendingMocks()]).toStrictEqual([4, []]);
  });

  test("asks for the refresh once, between the two, without an Authorization", async () => {
    const client = await attached(via);
    expectRequests("GET", 401, 200);
    expectRefresh();

    await client.get("me");

    expect(sent.map(({ line }) => line)).toStrictEqual([
      `GET ${API}/v1/me`,
      `POST ${AUTH}/token`,
      `GET ${API}/v1/me`,
    ]);
    expect(sent[1]).toMatchObject({
      headers: { "content-length": "41", "content-type": "application/x-www-form-urlencoded;charset=UTF-8" },
      body: "grant_type=refresh_token&refresh_token=r0",
    });
    expect(sent[1]?.headers).not.toHaveProperty("authorization");
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test.each<[string, Options, string]>([
    ["JSON", { json: { name: "ü", list: [1, null] } }, latin1('{"name":"ü","list":[1,null]}')],
    ["a form", { body: new URLSearchParams([["a", "1 & ü"]]) }, "a=1+%26+%C3%BC"],
    ["a string", { body: "grüße" }, latin1("grüße")],
    ["bytes that are no text", { body: BYTES }, Buffer.from(BYTES).toString("latin1")],
    ["a Blob", { body: new Blob([BYTES]) }, Buffer.from(BYTES).toString("latin1")],
    ["nothing", {}, ""],
  ])("replays %s byte for byte, with the same fields", async (_, asked, body) => {
    const client = await attached(via);
    expectRequests("PUT", 401, 200);
    expectRefresh();

    await client.put("orders/1", asked);

    const [first, , second] = sent;
    expect(first).toMatchObject({ line: `PUT ${API}/v1/orders/1`, body });
    expect(first?.headers["content-length"]).toBe(`${body.length}`);
    expect([sent.length, second]).toStrictEqual([3, authorized(first, "Bearer a1")]);
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("replays a multipart form byte for byte, but for its boundary", async () => {
    const client = await attached(via);
    expectRequests("POST", 401, 200);
    expectRefresh();

    await client.post("files", { body: form() });

    const [first, second] = sent.filter(({ line }) => line.includes(API)).map(withoutBoundary);
    expect(first?.headers["content-type"]).toBe("multipart/form-data; boundary=…");
    expect(first?.body).toContain(`\r\n\r\n${Buffer.from(BYTES).toString("latin1")}\r\n--…--`);
    expect(second).toStrictEqual(authorized(first, "Bearer a1"));
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test.each(["GET", "DELETE", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"])(
    "replays a %s without a body with the same fields",
    async (method) => {
      const client = await attached(via);
      expectRequests(method, 401, 204);
      expectRefresh();

      await client("me", { method, searchParams: { q: "1" } });

      const [first, , second] = sent;
      expect([first?.line, first?.body]).toStrictEqual([`${method} ${API}/v1/me?q=1`, ""]);
      expect([sent.length, second]).toStrictEqual([3, authorized(first, "Bearer a1")]);
      expect(nock.pendingMocks()).toStrictEqual([]);
    },
  );

  test("sends what was held once, with the fields it would have had", async () => {
    const clock = createClock();
    const tokens = { ...TOKENS, issuedAt: clock.now(), expiresAt: clock.now() + 60_000 };
    const client = await attached(via, { clock, tokens });
    expectRequests("POST", 200, 200);
    expectRefresh();

    await client.post("orders", { json: { id: 1 } });
    clock.jump(60_000);
    await client.post("orders", { json: { id: 1 } });

    const [first, refresh, second] = sent;
    expect(refresh?.line).toBe(`POST ${AUTH}/token`);
    expect([sent.length, second]).toStrictEqual([3, authorized(first, "Bearer a1")]);
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("sends a burst, one refresh, and the burst again in its order", async () => {
    const client = await attached(via);
    expectRequests("GET", 401, 401, 401, 200, 200, 200);
    expectRefresh();

    await Promise.all(["1", "2", "3"].map((path) => client.get(path)));

    const told = sent.map(({ line, headers }) => `${line} ${headers.authorization}`);
    expect(told).toStrictEqual([
      ...[1, 2, 3].map((path) => `GET ${API}/v1/${path} Bearer a0`),
      `POST ${AUTH}/token undefined`,
      ...[1, 2, 3].map((path) => `GET ${API}/v1/${path} Bearer a1`),
    ]);
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("sends no third time what is refused with fresh tokens", async () => {
    const client = await attached(via);
    expectRequests("GET", 401, 401, 200);
    expectRefresh();

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({ response: { status: 401 } });
    expect(sent.map(({ headers }) => headers.authorization)).toStrictEqual([
      "Bearer a0",
      undefined,
      "Bearer a1",
    ]);
    expect(nock.pendingMocks()).toHaveLength(1);
  });
});
