import { expect, onTestFinished, test, vi } from "vitest";
import { createServer, entriesAt, type Fault, ledger } from "../src/index.ts";
import { get, refresh, wholeOf } from "./requests.ts";

test("gives each scripted fault to one request, in order, then behaves", async () => {
  const server = createServer();
  server.signIn();
  server.next("/me", { status: 500 }, {}, { status: 503 });

  const statuses: number[] = [];
  for (let index = 0; index < 4; index += 1) statuses.push((await get(server, "/me", "a0")).status);

  expect(statuses).toStrictEqual([500, 200, 503, 200]);
});

test("repeats a fault as often as it says", async () => {
  const server = createServer();
  server.signIn();
  server.next("/me", { refuse: true, times: 2 });

  const answers = await Promise.all(Array.from({ length: 3 }, () => get(server, "/me", "a0")));

  expect(answers.map(({ status }) => status)).toStrictEqual([401, 401, 200]);
});

test("gives a fault to its own endpoint only", async () => {
  const server = createServer();
  server.signIn();
  server.next("/upload", { status: 500 });
  server.next("resource", { status: 502 });
  server.next("token", { status: 503 });

  const answers = await Promise.all([
    get(server, "/me", "a0"),
    get(server, "/me", "a0"),
    get(server, "/upload", "a0"),
    refresh(server, "r0"),
  ]);

  expect(answers.map(({ status }) => status)).toStrictEqual([502, 200, 500, 503]);
});

test("always gives the latest standing fault, save where the next is scripted, until it is undone", async () => {
  const server = createServer();
  server.signIn();
  server.always("/me", { status: 500 });
  const undo = server.always("resource", { status: 501 });
  server.next("/me", {});

  const statuses = [(await get(server, "/me", "a0")).status, (await get(server, "/me", "a0")).status];
  undo();
  undo();
  statuses.push((await get(server, "/me", "a0")).status);

  expect(statuses).toStrictEqual([200, 501, 500]);
});

test("asks a function for the fault of each request", async () => {
  const server = createServer();
  server.signIn();
  server.always("resource", ({ method }) => (method === "PUT" ? { status: 500 } : undefined));

  const headers = { authorization: "Bearer a0" };
  const statuses = [
    (await server.fetch("/me", { headers })).status,
    (await server.fetch("/me", { headers, method: "PUT" })).status,
  ];

  expect(statuses).toStrictEqual([200, 500]);
});

test.each<[string, Fault, number, Record<string, string>, unknown]>([
  ["a status", { status: 500 }, 500, {}, ""],
  ["seconds to wait", { status: 429, retryAfter: 2 }, 429, { "retry-after": "2" }, ""],
  ["an error of RFC 6749", { error: "invalid_grant" }, 400, {}, { error: "invalid_grant" }],
  ["an error of the client", { error: "invalid_client" }, 401, {}, { error: "invalid_client" }],
  ["an error with a status", { error: "server_error", status: 500 }, 500, {}, { error: "server_error" }],
  ["JSON", { json: null }, 200, {}, null],
  ["a body", { body: "{", headers: { "content-type": "text/x" } }, 200, { "content-type": "text/x" }, "{"],
  ["HTML", { html: true, status: 502 }, 502, {}, expect.stringContaining("<h1>")],
  [
    "a refusal",
    { refuse: true },
    401,
    { "www-authenticate": 'Bearer error="invalid_token"' },
    { error: "invalid_token" },
  ],
  ["a challenge", { refuse: "DPoP" }, 401, { "www-authenticate": "DPoP" }, { error: "invalid_token" }],
])(
  "answers with %s in the server's stead, and leaves the tokens alone",
  async (_, fault, status, fields, body) => {
    const server = createServer();
    server.signIn();
    server.next("token", fault);

    const response = await refresh(server, "r0");

    expect(Object.fromEntries(response.headers)).toMatchObject(fields);
    expect(await wholeOf(response)).toStrictEqual([status, body]);
    expect((await refresh(server, "r0")).status).toBe(200);
    expect(entriesAt(server.log, "token")[0]).toMatchObject({
      presented: "r0",
      outcome: "untouched",
      status,
    });
  },
);

test("acts, and loses its answer to another", async () => {
  const server = createServer();
  server.signIn();
  server.next("token", { status: 502, acts: true });

  expect((await refresh(server, "r0")).status).toBe(502);
  expect((await refresh(server, "r0")).status).toBe(400);
  expect(ledger(server.log)).toMatchObject({ attempts: 2, refreshes: 1, reuses: 1 });
});

test.each([
  ["before", "untouched", 200],
  ["after", "rotated", 400],
] as const)("resets the connection %s it acts: %s", async (when, outcome, then) => {
  const server = createServer();
  server.signIn();
  server.next("token", { reset: when });

  const failure: TypeError = await refresh(server, "r0").catch((error) => error);

  expect(failure).toBeInstanceOf(TypeError);
  expect(failure).toMatchObject({ message: "fetch failed", cause: { code: "ECONNRESET" } });
  expect(entriesAt(server.log, "token")[0]).toMatchObject({ presented: "r0", outcome, status: "reset" });
  expect((await refresh(server, "r0")).status).toBe(then);
});

test.each([
  ["before", "untouched"],
  ["after", "rotated"],
] as const)("hangs %s it acts, until the request is aborted: %s", async (when, outcome) => {
  const server = createServer();
  server.signIn();
  server.next("token", { hang: when });
  const controller = new AbortController();
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: "r0" });

  const call = server.fetch("/token", { method: "POST", body, signal: controller.signal });
  await server.when((log) =>
    entriesAt(log, "token").some((entry) => entry.outcome === outcome && entry.presented),
  );
  controller.abort(new Error("enough"));

  await expect(call).rejects.toThrow("enough");
  expect(entriesAt(server.log, "token")[0]).toMatchObject({ outcome, status: "aborted" });
});

test("judges early and answers late", async () => {
  const server = createServer();
  server.signIn();
  const told = latch();
  server.next("/me", { answerAfter: told.promise });
  server.expire();

  const late = get(server, "/me", "a0");
  await refresh(server, "r0");
  await get(server, "/me", "a1");
  told.resolve();

  expect((await late).status).toBe(401);
  const [refused, replayed] = entriesAt(server.log, "resource");
  expect(refused?.answered).toBeGreaterThan(replayed?.answered ?? Number.POSITIVE_INFINITY);
});

test("judges late when it acts late", async () => {
  const server = createServer();
  server.signIn();
  const acting = latch();
  server.next("/me", { actAfter: acting.promise });

  const call = get(server, "/me", "a0");
  server.expire();
  acting.resolve();

  expect((await call).status).toBe(401);
});

test("never acts on a request that is aborted before it acts", async () => {
  const server = createServer();
  server.signIn();
  const acting = latch();
  server.next("/me", { actAfter: acting.promise });
  const controller = new AbortController();

  const call = get(server, "/me", "a0", controller.signal);
  controller.abort();
  acting.resolve();

  await expect(call).rejects.toMatchObject({ name: "AbortError" });
  expect(entriesAt(server.log, "resource")[0]).toMatchObject({ accepted: false, status: "aborted" });
});

test("waits by the sleep it is given", async () => {
  const slept: number[] = [];
  const server = createServer({ sleep: async (milliseconds) => slept.push(milliseconds) });
  server.signIn();
  server.next("/me", { actAfter: 40, answerAfter: 2 });

  expect((await get(server, "/me", "a0")).status).toBe(200);
  expect(slept).toStrictEqual([40, 2]);
});

test("waits by the platform's timer where it is given no sleep", async () => {
  const server = createServer();
  server.next("/me", { answerAfter: 1 });

  expect((await get(server, "/me")).status).toBe(401);
});

test("leaves no timer behind a request that is aborted", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const server = createServer();
  server.next("/me", { actAfter: 60_000 });
  const controller = new AbortController();

  const call = get(server, "/me", "a0", controller.signal);
  controller.abort(new Error("enough"));

  await expect(call).rejects.toThrow("enough");
  expect(vi.getTimerCount()).toBe(0);
});

test("lays members over a token response, and takes some out", async () => {
  const server = createServer();
  server.signIn();
  server.next("token", { merge: { expires_in: -1, access_token: undefined } });

  expect(await wholeOf(refresh(server, "r0"))).toStrictEqual([
    200,
    { token_type: "Bearer", refresh_token: "r1", expires_in: -1 },
  ]);
});

test("merges nothing into an answer that failed", async () => {
  const server = createServer();
  server.next("token", { merge: { expires_in: -1 } });

  expect(await wholeOf(refresh(server, "r0"))).toStrictEqual([400, { error: "invalid_grant" }]);
});

test("lets a function replace the answer, a streamed one for instance", async () => {
  const server = createServer();
  server.signIn();
  server.always("/stream", {
    alter: ({ ok, status }) => new Response(ok ? streamOf("a", "b") : null, { status }),
  });

  expect(await wholeOf(get(server, "/stream", "a0"))).toStrictEqual([200, "ab"]);
  expect(await wholeOf(get(server, "/stream", "a1"))).toStrictEqual([401, ""]);
});

test("answers more than once with the same empty response", async () => {
  const server = createServer();
  const nothing = new Response(null, { status: 204 });
  server.always("resource", { alter: () => nothing });

  expect((await get(server, "/a")).url).toBe("https://server.test/a");
  expect((await get(server, "/b")).url).toBe("https://server.test/b");
});

test.each(["/token", "/upload"])(
  "gives up an upload to %s whose request is aborted half-way",
  async (path) => {
    const server = createServer();
    const controller = new AbortController();
    const { readable } = new TransformStream<Uint8Array, Uint8Array>();
    const init: RequestInit & { duplex: "half" } = { body: readable, duplex: "half" };

    const call = server.fetch(path, { ...init, method: "POST", signal: controller.signal });
    controller.abort(new Error("enough"));

    await expect(call).rejects.toThrow("enough");
  },
);

test("answers in the server's stead whatever becomes of the upload", async () => {
  const server = createServer();
  server.next("/upload", { status: 413 });
  const body = new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) });
  const init: RequestInit & { duplex: "half" } = { body, duplex: "half" };

  expect((await server.fetch("/upload", { ...init, method: "POST" })).status).toBe(413);
});

function latch(): { promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((open) => {
    resolve = open;
  });
  return { promise, resolve };
}

function streamOf(...chunks: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
}

test("never sees a request whose signal has aborted already", async () => {
  const server = createServer();

  await expect(get(server, "/me", "a0", AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  expect(server.log).toStrictEqual([]);
});

test("obeys the signal of a Request, unless the call says otherwise", async () => {
  const server = createServer();
  server.always("/me", { hang: "before" });
  const controller = new AbortController();
  const request = () => new Request("https://server.test/me", { signal: controller.signal });

  const own = server.fetch(request());
  const none = server.fetch(request(), { signal: null });
  controller.abort(new Error("enough"));

  await expect(own).rejects.toThrow("enough");
  expect(await Promise.race([none, Promise.resolve("pending")])).toBe("pending");
});

test("leaves no listener on the caller's signal", async () => {
  const server = createServer();
  const { signal } = new AbortController();
  const listening = new Set<unknown>();
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (type: string, listener: never, options?: never) => {
    listening.add(listener);
    addEventListener.call(signal, type, listener, options);
  };
  signal.removeEventListener = (type: string, listener: never) => {
    listening.delete(listener);
    removeEventListener.call(signal, type, listener);
  };
  server.next("/me", { actAfter: 1, answerAfter: Promise.resolve() });
  const gate = server.gate("/me");

  const call = get(server, "/me", "a0", signal);
  await gate.reached(1);
  gate.open();
  await call;

  expect(listening.size).toBe(0);
});
