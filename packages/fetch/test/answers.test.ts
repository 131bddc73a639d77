import { createClock, createServer, type Fault, ledger, settled } from "@freshtoken/testing";
import { Agent } from "undici";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { sessionFetch } from "../src/index.ts";
import {
  account,
  arrivals,
  type Implementation,
  implementations,
  sessionOn,
  stage,
  text,
} from "./support.ts";

const [, undici] = implementations as [Implementation, Implementation];
const KILOBYTE = new Uint8Array(1024).fill(65);

/** A refusal with a body of the test's own. */
function refusal(body: () => BodyInit, headers: HeadersInit = {}): Fault {
  return { alter: () => new Response(body(), { status: 401, statusText: "Unauthorized", headers }) };
}

function endless(cancelled = () => {}): ReadableStream {
  return new ReadableStream({ pull: (controller) => controller.enqueue(KILOBYTE), cancel: cancelled });
}

function stuck(cancelled = () => {}): ReadableStream {
  return new ReadableStream({ start: (controller) => controller.enqueue(KILOBYTE), cancel: cancelled });
}

/** A stage where all requests, the refresh too, share one socket. */
async function oneSocket() {
  const dispatcher = new Agent({ connections: 1, pipelining: 1 });
  onTestFinished(() => dispatcher.destroy());
  const through: typeof fetch = (input, init) => undici.fetch(input, { ...init, dispatcher } as RequestInit);
  return stage({ ...undici, fetch: through });
}

test.each([
  ["small", () => "refused"],
  ["large", () => new Uint8Array(500_000)],
  ["endless", () => endless()],
])(
  "gives the only socket back while a %s refusal is not read, so that the refresh goes on",
  async (_, body) => {
    const { server, origin, authorized } = await oneSocket();
    server.next("/me", refusal(body));

    const answer = await authorized(`${origin}/me`);

    expect(answer.status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 }),
    );
  },
);

test("gives the only socket back after a second where the refusal's body does not end", async () => {
  const { server, origin, session, authorized } = await oneSocket();
  const started = new Promise<void>((resolve) =>
    session.subscribe(({ type }) => void (type === "refreshStarted" && resolve())),
  );
  const cancelled = new Promise<void>((resolve) =>
    server.next(
      "/me",
      refusal(() => stuck(() => resolve())),
    ),
  );
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());

  const answer = authorized(`${origin}/me`);
  await started;
  vi.advanceTimersByTime(1000);
  vi.useRealTimers();
  await cancelled;

  expect((await answer).status).toBe(200);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, requests: 2, answers: 1 });
});

test("tells the URL of a refusal whose session is over, in each clone too", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin] });
  await session.signIn(server.signIn());
  server.withdraw();
  server.expire();

  const answer = await sessionFetch(session, { fetch: server.fetch })(`${server.origin}/me`);
  const clones = [answer.clone(), answer.clone().clone()];

  expect([answer, ...clones].map(({ status, url }) => [status, url])).toStrictEqual(
    Array(3).fill([401, `${server.origin}/me`]),
  );
  expect(await Promise.all([answer, ...clones].map((copy) => copy.json()))).toStrictEqual(
    Array(3).fill({ error: "invalid_token" }),
  );
});

test("sets no timer that outlives a refusal's body", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin] });
  await session.signIn(server.signIn());
  server.expire();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());

  await sessionFetch(session, { fetch: server.fetch })(server.origin);

  expect(vi.getTimerCount()).toBe(0);
});

test("keeps no process alive for a refusal's body", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin], clock: createClock() });
  await session.signIn(server.signIn());
  const gate = server.gate("token");
  server.next(
    "/me",
    refusal(() => stuck()),
  );
  const timers = vi.spyOn(globalThis, "setTimeout");
  onTestFinished(() => timers.mockRestore());

  const answer = sessionFetch(session, { fetch: server.fetch })(`${server.origin}/me`);
  await gate.reached(1);

  expect(timers.mock.results.map(({ value }) => value.hasRef())).toStrictEqual([false]);
  gate.open();
  await answer;
});

test.each<[string, () => ReadableStream, (answer: Response) => unknown]>([
  ["whose cancelling never ends", () => endless(() => new Promise<void>(() => {})), () => {}],
  ["of which the caller's own fetch keeps a clone", () => endless(), (answer) => answer.clone()],
])("hands 64 KiB over of a large refusal %s", async (_, body, keep) => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin], clock: createClock() });
  await session.signIn(server.signIn());
  server.withdraw();
  server.next("/me", refusal(body));
  const kept: unknown[] = [];
  const fetch: typeof globalThis.fetch = async (input, init) => {
    const answer = await server.fetch(input as URL, init);
    kept.push(keep(answer));
    return answer;
  };

  const answer = await sessionFetch(session, { fetch })(`${server.origin}/me`);

  expect((await answer.arrayBuffer()).byteLength).toBe(64 * 1024);
});

test.each([
  ["more than 64 KiB", endless],
  ["more than a second", stuck],
])("is quiet where cancelling a refusal fails that takes %s", async (_, body) => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin], clock: createClock() });
  await session.signIn(server.signIn());
  const cancelled = vi.fn(() => Promise.reject(new Error("cannot cancel")));
  server.next(
    "/me",
    refusal(() => body(cancelled)),
  );
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  onTestFinished(() => void process.off("unhandledRejection", unhandled));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());

  const answer = await sessionFetch(session, { fetch: server.fetch })(`${server.origin}/me`);
  await settled();
  vi.advanceTimersByTime(1000);
  await settled();

  expect([answer.status, cancelled.mock.calls.length]).toStrictEqual([200, 1]);
  expect(unhandled.mock.calls).toStrictEqual([]);
});

test("breaks off what was kept where the refusal's body broke off", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin] });
  await session.signIn(server.signIn());
  server.withdraw();
  const broken = new Error("reset");
  const pull = (controller: ReadableStreamDefaultController) => controller.error(broken);
  server.next(
    "/me",
    refusal(() => new ReadableStream({ pull })),
  );

  const answer = await sessionFetch(session, { fetch: server.fetch })(`${server.origin}/me`);

  await expect(answer.text()).rejects.toBe(broken);
});

describe.each(implementations)("through $name", (via) => {
  test("hands the server's own 401 back when the refresh is rejected: its body, fields, URL and kind", async () => {
    const { server, origin, authorized } = await stage(via);
    server.withdraw();
    const cookies: [string, string][] = [
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ];
    server.always("/from", { status: 307, headers: { location: "/me" } });
    server.next(
      "/me",
      refusal(() => '{"error":"invalid_token"}', [["content-type", "application/json"], ...cookies]),
    );

    const answer = await authorized(`${origin}/from`);

    expect(answer).toBeInstanceOf(via.Response);
    const { status, statusText, url, redirected, type, ok, bodyUsed, headers } = answer;
    expect({ status, statusText, url, redirected, type, ok, bodyUsed }).toStrictEqual({
      ...{ status: 401, statusText: "Unauthorized", url: `${origin}/me`, redirected: true },
      ...{ type: "basic", ok: false, bodyUsed: false },
    });
    expect([headers.get("content-type"), headers.getSetCookie()]).toStrictEqual([
      "application/json",
      ["a=1", "b=2"],
    ]);
    expect(await answer.json()).toStrictEqual({ error: "invalid_token" });
  });

  test.each([
    ["64 KiB", 64, 64],
    ["all of a body that is smaller", 63, 63],
    ["no more", 65, 64],
    ["no more of a large one", 500, 64],
  ])("keeps %s of a refusal for a caller who gets it after all", async (_, sent, kept) => {
    const { server, origin, authorized } = await stage(via);
    server.withdraw();
    server.next(
      "/me",
      refusal(() => new Uint8Array(sent * 1024)),
    );

    const answer = await authorized(`${origin}/me`);

    expect((await answer.arrayBuffer()).byteLength).toBe(kept * 1024);
  });

  test("stops reading a refusal whose caller cancels it", async () => {
    const { server, origin, authorized } = await stage(via);
    server.withdraw();
    const cancelled = new Promise<void>((resolve) =>
      server.next(
        "/me",
        refusal(() => stuck(() => resolve())),
      ),
    );

    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }); // so that patience does not end by itself
    onTestFinished(() => void vi.useRealTimers());

    const answer = await authorized(`${origin}/me`);
    await answer.body?.cancel();

    await expect(cancelled).resolves.toBeUndefined();
  });

  test("hands a 401 back as it is that new tokens cannot cure", async () => {
    const { server, origin, authorized } = await stage(via);
    server.next("/me", { refuse: 'Bearer error="insufficient_scope", scope="admin"' });

    const answer = await authorized(`${origin}/me`);

    expect([answer.status, await answer.json()]).toStrictEqual([401, { error: "invalid_token" }]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
  });

  test.each([204, 205, 304, 403, 404, 500])("hands a %i back as it is", async (status) => {
    const { server, origin, authorized } = await stage(via);
    server.next("/me", { status });

    const answer = await authorized(`${origin}/me`);

    expect([answer.status, await answer.text()]).toStrictEqual([status, ""]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, answers: 1 }));
  });

  test.each(["HEAD", "OPTIONS", "DELETE", "get", "PATCH"])("replays a refused %s", async (method) => {
    const { server, events, origin, authorized } = await stage(via);
    server.expire();

    const answer = await authorized(`${origin}/me`, { method });

    expect(answer.status).toBe(200);
    const sent = method.toUpperCase();
    expect(arrivals(server).map(({ method }) => method)).toStrictEqual([sent, sent]);
    expect(events).toContainEqual({ type: "replayed", method: sent, url: `${origin}/me` });
  });

  test("hands the 401 of a HEAD back, which has no body", async () => {
    const { server, origin, authorized } = await stage(via);
    server.withdraw();
    server.expire();

    const answer = await authorized(`${origin}/me`, { method: "HEAD" });

    expect([answer.status, answer.url, await answer.text()]).toStrictEqual([401, `${origin}/me`, ""]);
  });

  test("takes a refusal without a body for one where `isRefusal` says so", async () => {
    const isRefusal = ({ status }: { status: number }) => status === 204;
    const { server, origin, authorized } = await stage(via, { isRefusal });
    server.next("/me", { status: 204 });

    const answer = await authorized(`${origin}/me`);

    expect(await answer.json()).toMatchObject({ generation: 1 });
  });

  test("lets `isRefusal` read a clone, and the caller the body", async () => {
    const isRefusal = async ({ response }: { response: unknown }) =>
      (await (response as Response).clone().text()) === "expired";
    const { server, origin, authorized } = await stage(via, { isRefusal });
    server.withdraw();
    server.next("/me", { body: "expired" });

    const answer = await authorized(`${origin}/me`);

    expect([answer.status, await answer.text()]).toStrictEqual([200, "expired"]);
  });
});

test("hands an answer back as it is that has no status, whatever `isRefusal` says", async () => {
  const server = createServer();
  const opaque = Response.error();
  const { session } = sessionOn(server, { origins: [server.origin], isRefusal: () => true });
  await session.signIn(server.signIn());

  const answer = await sessionFetch(session, { fetch: async () => opaque })(server.origin);

  expect(answer).toBe(opaque);
});

test("hands the answer itself back where nothing was refused", async () => {
  const server = createServer();
  const own = new Response("own");
  const { session } = sessionOn(server, { origins: [server.origin] });
  await session.signIn(server.signIn());

  const answer = await sessionFetch(session, { fetch: async () => own })(server.origin);

  expect(answer).toBe(own);
  await settled();
  expect(text(new Uint8Array(await answer.arrayBuffer()))).toBe("own");
});
