import { createSession, type Session } from "@freshtoken/core";
import { ledger } from "@freshtoken/testing";
import type { KyInstance } from "ky";
import { bypass, HttpResponse, http, passthrough } from "msw";
import { setupServer } from "msw/node";
import nock from "nock";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { sessionHooks } from "../src/index.ts";
import { ONE_REPLAY, outcomeOf, type Release, refreshThrough, releases, stage } from "./support.ts";

const API = "https://api.test";
const RENEWED = { access_token: "a1", token_type: "Bearer", refresh_token: "r1" };
const GRANT = { grant_type: "refresh_token", refresh_token: "r0" };

/** A session that holds a0, and asks for a1 at the API's own token endpoint. */
function signedIn(): Session {
  const tokens = { accessToken: "a0", refreshToken: "r0" };
  return createSession({
    refresh: refreshThrough((...call) => fetch(...call), API),
    tokens,
    refreshAttempts: 1,
  });
}

function attached(via: Release): KyInstance {
  return via.ky.create({ prefix: API, hooks: sessionHooks(signedIn()), retry: 0 });
}

// It is active from its import on.
nock.restore();

describe.each(releases)("with nock, through $name", (via) => {
  beforeEach(() => {
    nock.activate();
    nock.disableNetConnect();
  });

  afterEach(() => {
    nock.cleanAll();
    nock.enableNetConnect();
    nock.restore();
  });

  /** What a user's test expects of one request that is refused and replayed. */
  function mock(times = 1): void {
    const bearing = (token: string) => nock(API).matchHeader("authorization", `Bearer ${token}`);
    bearing("a0").get("/me").times(times).reply(401);
    nock(API).post("/token", GRANT).reply(200, RENEWED);
    bearing("a1").get("/me").times(times).reply(200, { name: "Ada" });
  }

  test.each<[string, () => void]>([
    ["mocks that are defined later", () => {}],
    [
      "a nock that is activated later",
      () => {
        nock.restore();
        nock.activate();
      },
    ],
  ])("meets %s", async (_, change) => {
    const client = attached(via);
    change();
    mock();

    const data = await client.get("me").json();

    expect(data).toStrictEqual({ name: "Ada" });
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("meets mocks that were defined before, and refreshes once for a burst", async () => {
    mock(3);
    const client = attached(via);

    const answers = await Promise.all([1, 2, 3].map(() => client.get("me").json()));

    expect(answers).toStrictEqual(Array(3).fill({ name: "Ada" }));
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("hands the errors of a mock back as the client has them, and refreshes for none", async () => {
    const client = attached(via);
    nock(API)
      .get("/me")
      .replyWithError(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    nock(API).get("/you").reply(503);
    nock(API).post("/token").reply(200, RENEWED);

    const errors = [await outcomeOf(client.get("me")), await outcomeOf(client.get("you"))];

    expect(errors).toMatchObject([
      { name: "NetworkError", cause: { cause: { code: "ECONNRESET" } } },
      { name: "HTTPError", response: { status: 503 } },
    ]);
    expect(nock.pendingMocks()).toStrictEqual([`POST ${API}:443/token`]);
  });

  test("takes what is not mocked for no refusal", async () => {
    const client = attached(via);
    nock(API).post("/token").reply(200, RENEWED);

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({ response: { status: 501 } });
    expect(nock.pendingMocks()).toStrictEqual([`POST ${API}:443/token`]);
  });

  test("takes a token endpoint that is not mocked for an outage", async () => {
    const client = attached(via);
    nock(API).get("/me").reply(401);

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { status: 501 } });
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("reaches a server of the user's own beside mocks of it", async () => {
    nock.enableNetConnect("127.0.0.1");
    const { server, origin, client } = await stage(via);
    nock(origin, { allowUnmocked: true }).get("/mocked").reply(200, "mocked");
    server.expire();

    const answers = [await client.get("mocked").text(), await client.get("me").json()];

    expect(answers).toMatchObject(["mocked", { generation: 1 }]);
    expect(nock.pendingMocks()).toStrictEqual([]);
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });
});

describe.each(releases)("with msw, through $name", (via) => {
  /** A user's mock server, which notes what its handlers see. */
  function listening(...handlers: Parameters<typeof setupServer>) {
    const server = setupServer(...handlers);
    const seen: string[] = [];
    server.events.on("request:start", ({ request }) => {
      seen.push(`${request.method} ${new URL(request.url).pathname} ${request.headers.get("authorization")}`);
    });
    server.listen({ onUnhandledFrame: "bypass" });
    onTestFinished(() => server.close());
    return { server, seen };
  }

  const refreshes = http.post(`${API}/token`, () => HttpResponse.json(RENEWED));
  const greets = http.get(`${API}/me`, ({ request }) =>
    request.headers.get("authorization") === "Bearer a1"
      ? HttpResponse.json({ name: "Ada" })
      : new HttpResponse(null, { status: 401 }),
  );
  const REPLAYED = ["GET /me Bearer a0", "POST /token null", "GET /me Bearer a1"];

  test.each(["before", "after"])(
    "meets a server that listens %s the session's hooks are given",
    async (order) => {
      const early = order === "before" ? listening(refreshes, greets) : undefined;
      const client = attached(via);
      const { seen } = early ?? listening(refreshes, greets);

      const data = await client.get("me").json();

      expect(data).toStrictEqual({ name: "Ada" });
      expect(seen).toStrictEqual(REPLAYED);
    },
  );

  test("refreshes once for a burst", async () => {
    const { seen } = listening(refreshes, greets);
    const client = attached(via);

    const answers = await Promise.all([1, 2, 3].map(() => client.get("me").json()));

    expect(answers).toStrictEqual(Array(3).fill({ name: "Ada" }));
    expect(seen).toStrictEqual(
      REPLAYED.flatMap((line) => (line.startsWith("GET") ? [line, line, line] : line)),
    );
  });

  test("meets handlers that answer once, and are used later", async () => {
    const { server, seen } = listening(
      refreshes,
      http.get(`${API}/me`, () => HttpResponse.json("initial")),
    );
    const client = attached(via);
    server.use(http.get(`${API}/me`, () => new HttpResponse(null, { status: 401 }), { once: true }));

    const data = await client.get("me").json();

    expect(data).toBe("initial");
    expect(seen).toStrictEqual(REPLAYED);
  });

  test("meets a handler that answers one after the other", async () => {
    const { seen } = listening(
      refreshes,
      http.get(`${API}/me`, function* () {
        yield new HttpResponse(null, { status: 401 });
        return HttpResponse.json("second");
      }),
    );

    const data = await attached(via).get("me").json();

    expect(data).toBe("second");
    expect(seen).toStrictEqual(REPLAYED);
  });

  test("shows a handler the body of both attempts", async () => {
    const bodies: unknown[] = [];
    listening(
      refreshes,
      http.post(`${API}/orders`, async ({ request }) => {
        bodies.push(await request.json());
        return new HttpResponse(null, { status: bodies.length === 1 ? 401 : 201 });
      }),
    );

    const { status } = await attached(via).post("orders", { json: { name: "ü" } });

    expect([status, bodies]).toStrictEqual([201, [{ name: "ü" }, { name: "ü" }]]);
  });

  test("hands the network error of a handler back as the client has it, and refreshes for none", async () => {
    const { seen } = listening(
      refreshes,
      http.get(`${API}/me`, () => HttpResponse.error()),
    );

    const error = await outcomeOf(attached(via).get("me"));

    expect(error).toMatchObject({ name: "NetworkError" });
    expect(seen).toStrictEqual(["GET /me Bearer a0"]);
  });

  test.each([
    ["answers with a network error", () => HttpResponse.error()],
    ["answers with a 503", () => new HttpResponse(null, { status: 503 })],
  ])("takes a token endpoint that %s for an outage", async (_, resolver) => {
    const { seen } = listening(http.post(`${API}/token`, resolver), greets);

    const error = await outcomeOf(attached(via).get("me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(seen).toStrictEqual(REPLAYED.slice(0, 2));
  });

  test("takes a token endpoint that nothing handles for an outage, where that is an error", async () => {
    const server = setupServer(greets);
    server.listen({ onUnhandledFrame: "error" });
    onTestFinished(() => server.close());

    const error = await outcomeOf(attached(via).get("me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(vi.mocked(console.error)).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("POST"));
    vi.mocked(console.error).mockClear();
  });

  test("reaches a server of the user's own past handlers, and without any", async () => {
    const { server: mocks, seen } = listening();
    const { server, origin, client } = await stage(via);
    mocks.use(
      http.get(`${origin}/passed`, () => passthrough()),
      http.get(`${origin}/patched`, async ({ request }) => {
        const { generation } = await (await fetch(bypass(request))).json();
        return HttpResponse.json({ generation, patched: true });
      }),
    );
    server.expire();

    const answers: unknown[] = [];
    for (const path of ["passed", "patched", "unhandled"]) answers.push(await client.get(path).json());

    expect(answers).toMatchObject([{ generation: 1 }, { generation: 1, patched: true }, { generation: 1 }]);
    expect(seen.filter((line) => line.includes("/token"))).toHaveLength(1);
    expect(ledger(server.log)).toStrictEqual({ ...ONE_REPLAY, requests: 4, answers: 3 });
  });
});

describe.each(releases)("with a fetch of the user's own, through $name", (via) => {
  /** Answers 401 to whatever has not a1. */
  const greeting = () =>
    vi.fn<typeof fetch>(async (input) => {
      const authorization = new Request(input).headers.get("authorization");
      return Response.json({ name: "Ada" }, { status: authorization === "Bearer a1" ? 200 : 401 });
    });
  const refreshing = () =>
    createSession({ refresh: async () => RENEWED, tokens: { accessToken: "a0", refreshToken: "r0" } });

  test.each<[string, (client: KyInstance, own: typeof fetch) => KyInstance]>([
    ["the instance is extended by", (client, own) => client.extend({ fetch: own })],
    [
      "replaces the global one later",
      (client, own) => {
        vi.stubGlobal("fetch", own);
        onTestFinished(() => void vi.unstubAllGlobals());
        return client;
      },
    ],
  ])("replays what is refused by one that %s", async (_, given) => {
    const own = greeting();
    const client = given(via.ky.create({ prefix: API, hooks: sessionHooks(refreshing()) }), own);

    const data = await client.get("me").json();

    const sent = own.mock.calls.map(([input]) => new Request(input).headers.get("authorization"));
    expect(data).toStrictEqual({ name: "Ada" });
    expect(sent).toStrictEqual(["Bearer a0", "Bearer a1"]);
  });

  test("replays what is refused by one that a request brings", async () => {
    const own = greeting();
    const client = via.ky.create({ prefix: API, hooks: sessionHooks(refreshing()) });

    const data = await client.get("me", { fetch: own }).json();

    expect(data).toStrictEqual({ name: "Ada" });
    expect(own).toHaveBeenCalledTimes(2);
  });
});
