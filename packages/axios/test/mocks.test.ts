import { createSession, type Session } from "@freshtoken/core";
import { ledger } from "@freshtoken/testing";
import axios, {
  type AxiosAdapter,
  AxiosError,
  type AxiosInstance,
  type AxiosResponse,
  type InternalAxiosRequestConfig,
} from "axios";
import { bypass, HttpResponse, http, passthrough } from "msw";
import { setupServer } from "msw/node";
import nock from "nock";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { attachSession } from "../src/index.ts";
import { type AdapterName, adapters, outcomeOf, refreshAt, replayedOnce, stage } from "./support.ts";

const API = "https://api.test";
const RENEWED = { access_token: "a1", token_type: "Bearer", refresh_token: "r1" };
const GRANT = { grant_type: "refresh_token", refresh_token: "r0" };

/** A session that holds a0, and asks for a1 at the API's own token endpoint. */
function signedIn(): Session {
  const tokens = { accessToken: "a0", refreshToken: "r0" };
  return createSession({ refresh: refreshAt(API), tokens, refreshAttempts: 1 });
}

function attached(adapter: AdapterName): AxiosInstance {
  const api = axios.create({ baseURL: API, adapter });
  attachSession(api, signedIn());
  return api;
}

// It is active from its import on.
nock.restore();

describe.each(adapters)("with nock, through the %s adapter", (adapter) => {
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
    const api = attached(adapter);
    change();
    mock();

    const { data } = await api.get("/me");

    expect(data).toStrictEqual({ name: "Ada" });
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("meets mocks that were defined before, and refreshes once for a burst", async () => {
    mock(3);
    const api = attached(adapter);

    const answers = await Promise.all([1, 2, 3].map(() => api.get("/me")));

    expect(answers.map(({ data }) => data)).toStrictEqual(Array(3).fill({ name: "Ada" }));
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("hands the errors of a mock back as the client has them, and refreshes for none", async () => {
    const api = attached(adapter);
    nock(API)
      .get("/me")
      .replyWithError(Object.assign(new Error("reset"), { code: "ECONNRESET" }));
    nock(API).get("/you").reply(503);
    nock(API).post("/token").reply(200, RENEWED);

    const errors = [await outcomeOf(api.get("/me")), await outcomeOf(api.get("/you"))];

    expect(errors).toMatchObject([
      { code: adapter === "http" ? "ECONNRESET" : "ERR_NETWORK" },
      { response: { status: 503 } },
    ]);
    expect(nock.pendingMocks()).toStrictEqual([`POST ${API}:443/token`]);
  });

  test("takes what is not mocked for no refusal", async () => {
    const api = attached(adapter);
    nock(API).post("/token").reply(200, RENEWED);

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ response: { status: 501 } });
    expect(nock.pendingMocks()).toStrictEqual([`POST ${API}:443/token`]);
  });

  test("takes a token endpoint that is not mocked for an outage", async () => {
    const api = attached(adapter);
    nock(API).get("/me").reply(401);

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { cause: { status: 501 } } });
    expect(nock.pendingMocks()).toStrictEqual([]);
  });

  test("reaches a server of the user's own beside mocks of it", async () => {
    nock.enableNetConnect("127.0.0.1");
    const { server, origin, api } = await stage(adapter);
    nock(origin, { allowUnmocked: true }).get("/mocked").reply(200, "mocked");
    server.expire();

    const answers = [await api.get("/mocked"), await api.get("/me")];

    expect(answers.map(({ data }) => data)).toMatchObject(["mocked", { generation: 1 }]);
    expect(nock.pendingMocks()).toStrictEqual([]);
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });
});

describe.each(adapters)("with msw, through the %s adapter", (adapter) => {
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

  test.each(["before", "after"])("meets a server that listens %s the session is attached", async (order) => {
    const early = order === "before" ? listening(refreshes, greets) : undefined;
    const api = attached(adapter);
    const { seen } = early ?? listening(refreshes, greets);

    const { data } = await api.get("/me");

    expect(data).toStrictEqual({ name: "Ada" });
    expect(seen).toStrictEqual(REPLAYED);
  });

  test("refreshes once for a burst", async () => {
    const { seen } = listening(refreshes, greets);
    const api = attached(adapter);

    const answers = await Promise.all([1, 2, 3].map(() => api.get("/me")));

    expect(answers.map(({ data }) => data)).toStrictEqual(Array(3).fill({ name: "Ada" }));
    expect(seen).toStrictEqual(
      REPLAYED.flatMap((line) => (line.startsWith("GET") ? [line, line, line] : line)),
    );
  });

  test("meets handlers that answer once, and are used later", async () => {
    const { server, seen } = listening(
      refreshes,
      http.get(`${API}/me`, () => HttpResponse.json("initial")),
    );
    const api = attached(adapter);
    server.use(http.get(`${API}/me`, () => new HttpResponse(null, { status: 401 }), { once: true }));

    const { data } = await api.get("/me");

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

    const { data } = await attached(adapter).get("/me");

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

    const { status } = await attached(adapter).post("/orders", { name: "ü" });

    expect([status, bodies]).toStrictEqual([201, [{ name: "ü" }, { name: "ü" }]]);
  });

  test("hands the network error of a handler back as the client has it, and refreshes for none", async () => {
    const { seen } = listening(
      refreshes,
      http.get(`${API}/me`, () => HttpResponse.error()),
    );

    const error = await outcomeOf(attached(adapter).get("/me"));

    expect(axios.isAxiosError(error)).toBe(true);
    expect(error).not.toHaveProperty("cause.name", "RefreshFailedError");
    expect(seen).toStrictEqual(["GET /me Bearer a0"]);
  });

  test.each([
    ["answers with a network error", () => HttpResponse.error()],
    ["answers with a 503", () => new HttpResponse(null, { status: 503 })],
  ])("takes a token endpoint that %s for an outage", async (_, resolver) => {
    const { seen } = listening(http.post(`${API}/token`, resolver), greets);

    const error = await outcomeOf(attached(adapter).get("/me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(seen).toStrictEqual(REPLAYED.slice(0, 2));
  });

  test("takes a token endpoint that nothing handles for an outage, where that is an error", async () => {
    const server = setupServer(greets);
    server.listen({ onUnhandledFrame: "error" });
    onTestFinished(() => server.close());

    const error = await outcomeOf(attached(adapter).get("/me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(vi.mocked(console.error)).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("POST"));
    vi.mocked(console.error).mockClear();
  });

  test("reaches a server of the user's own past handlers, and without any", async () => {
    const { server: mocks, seen } = listening();
    const { server, origin, api } = await stage(adapter);
    mocks.use(
      http.get(`${origin}/passed`, () => passthrough()),
      http.get(`${origin}/patched`, async ({ request }) => {
        const { generation } = await (await fetch(bypass(request))).json();
        return HttpResponse.json({ generation, patched: true });
      }),
    );
    server.expire();

    const answers: AxiosResponse[] = [];
    for (const path of ["/passed", "/patched", "/unhandled"]) answers.push(await api.get(path));

    expect(answers.map(({ data }) => [data.generation, data.patched])).toStrictEqual([
      [1, undefined],
      [1, true],
      [1, undefined],
    ]);
    expect(seen.filter((line) => line.includes("/token"))).toHaveLength(1);
    expect(ledger(server.log)).toStrictEqual({ ...replayedOnce, requests: 4, answers: 3 });
  });
});

/** What a user's own adapter answers: 401 to whatever has not a1. */
function greeting(config: InternalAxiosRequestConfig): AxiosResponse {
  const status = config.headers.get("authorization") === "Bearer a1" ? 200 : 401;
  return { status, statusText: "", headers: {}, config, data: { name: "Ada" } };
}

function refreshing(): Session {
  const tokens = { accessToken: "a0", refreshToken: "r0" };
  return createSession({ refresh: async () => RENEWED, tokens });
}

describe.each<[string, AxiosAdapter]>([
  ["resolves with a 401", async (config) => greeting(config)],
  [
    "rejects with a 401",
    async (config) => {
      const response = greeting(config);
      if (response.status === 200) return response;
      throw new AxiosError("", AxiosError.ERR_BAD_REQUEST, config, undefined, response);
    },
  ],
])("with an adapter of the user's own that %s", (_, own) => {
  test.each(["before", "after"])("replays what it refuses, where it is set %s the session", async (order) => {
    const adapter = vi.fn(own);
    const api = axios.create({ baseURL: API });
    if (order === "before") api.defaults.adapter = adapter;
    attachSession(api, refreshing());
    if (order === "after") api.defaults.adapter = adapter;

    const { data } = await api.get("/me");

    expect(data).toStrictEqual({ name: "Ada" });
    expect(adapter.mock.calls.map(([{ headers }]) => headers.get("authorization"))).toStrictEqual([
      "Bearer a0",
      "Bearer a1",
    ]);
  });

  test("replays what it refuses, where one request brings it", async () => {
    const adapter = vi.fn(own);
    const api = axios.create({ baseURL: API });
    attachSession(api, refreshing());

    const { data } = await api.get("/me", { adapter });

    expect(data).toStrictEqual({ name: "Ada" });
    expect(adapter).toHaveBeenCalledTimes(2);
  });
});

test("replays what a fetch of the user's own refuses, which is given later by env", async () => {
  const own = vi.fn(async (input: string | URL | Request) => {
    const { headers } = input as Request;
    const status = headers.get("authorization") === "Bearer a1" ? 200 : 401;
    return Response.json({ name: "Ada", sent: headers.get("authorization") }, { status });
  });
  const api = axios.create({ baseURL: API, adapter: "fetch" });
  attachSession(api, refreshing());
  api.defaults.env = { ...api.defaults.env, fetch: own };

  const { data } = await api.get("/me");

  expect(data).toStrictEqual({ name: "Ada", sent: "Bearer a1" });
  expect(own).toHaveBeenCalledTimes(2);
});
