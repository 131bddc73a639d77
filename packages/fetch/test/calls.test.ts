import { createSession } from "@freshtoken/core";
import { createClock, createServer, ledger } from "@freshtoken/testing";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { account, implementations, outcomeOf, sessionOn, stage } from "./support.ts";

/** A session that is signed in at a server in memory, and what the fetch underneath was called with. */
async function recorded() {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin] });
  await session.signIn(server.signIn());
  const calls: [unknown, RequestInit | undefined][] = [];
  const authorized = sessionFetch(session, {
    fetch: async (...[input, init]) => {
      calls.push([input, init]);
      return new Response();
    },
  });
  return { origin: server.origin, calls, authorized };
}

test.each<[string, (origin: string) => Parameters<typeof fetch>]>([
  ["a string", (origin) => [origin]],
  ["a URL", (origin) => [new URL(origin)]],
  ["a Request", (origin) => [new Request(origin)]],
  ["a Request with a body", (origin) => [new Request(origin, { method: "POST", body: "body" })]],
  ["a body", (origin) => [origin, { method: "POST", body: new FormData() }]],
])("calls the fetch underneath before it returns where the token is fresh: with %s", async (_, make) => {
  const { origin, calls, authorized } = await recorded();

  const answer = authorized(...make(origin));

  expect(calls.length).toBe(1);
  await answer;
});

test("gives the fetch underneath what the caller gave, and the token", async () => {
  const { origin, calls, authorized } = await recorded();
  const dispatcher = {};
  const init = { method: "POST", body: "body", cache: "no-store", keepalive: true, dispatcher } as const;

  await authorized(`${origin}/me`, { ...init, headers: { "x-own": "1" } } as RequestInit);

  const [url, { headers, ...rest } = {}] = calls[0] ?? [];
  expect([url, rest]).toStrictEqual([`${origin}/me`, init]);
  expect([...new Headers(headers)]).toStrictEqual([
    ["authorization", "Bearer a0"],
    ["x-own", "1"],
  ]);
});

test("leaves what the caller gave as it was", async () => {
  const { origin, authorized } = await recorded();
  const init = Object.freeze({ headers: Object.freeze({ "x-own": "1" }) });
  const request = new Request(origin, { headers: { "x-own": "1" } });

  await authorized(request);
  await authorized(origin, init);

  expect([...request.headers]).toStrictEqual([["x-own", "1"]]);
  expect(init).toStrictEqual({ headers: { "x-own": "1" } });
});

test("keeps a Request's referrer and its policy, and all else it says", async () => {
  const { origin, calls, authorized } = await recorded();
  const said = {
    referrer: "https://page.test/here",
    referrerPolicy: "no-referrer",
    cache: "no-store",
    credentials: "include",
    redirect: "manual",
    integrity: "sha256-x",
    keepalive: true,
  } as const;

  await authorized(new Request(origin, said));

  const [input, init] = calls[0] ?? [];
  expect(new Request(input as Request, init)).toMatchObject(said);
});

test.each([
  ["patch", "patch"],
  ["post", "POST"],
  ["Delete", "DELETE"],
  ["Custom", "Custom"],
])("tells the scheme the method %s as fetch sends it", async (method, sent) => {
  const seen: string[] = [];
  const fields = (_: unknown, request: { method: string }) => {
    seen.push(request.method);
    return {};
  };
  const tokens = { accessToken: "a0" };
  const session = createSession({ refresh: async () => null, tokens, scheme: { sendsToken: true, fields } });
  await session.tokens();

  const authorized = sessionFetch(session, {
    origins: ["https://api.test"],
    fetch: async () => new Response(),
  });
  await authorized("https://api.test/me", { method });

  expect(seen).toStrictEqual([sent]);
});

test("sends the fields that the scheme gives for that send, and none of an earlier one", async () => {
  const server = createServer();
  const fields = ({ accessToken }: { accessToken?: string | undefined }) => ({
    authorization: `Bearer ${accessToken}`,
    ...(accessToken === "a0" && { "x-first": "1" }),
  });
  const { session } = sessionOn(server, { origins: [server.origin], scheme: { sendsToken: true, fields } });
  await session.signIn(server.signIn());
  server.expire();

  await sessionFetch(session, { fetch: server.fetch })(server.origin);

  const sent = server.log.flatMap((entry) => (entry.at === "resource" ? [entry.headers] : []));
  expect(sent).toStrictEqual([
    { authorization: "Bearer a0", "x-first": "1" },
    { authorization: "Bearer a1" },
  ]);
});

test("uses the global fetch as it is when a request is made, so that it can be patched later", async () => {
  const server = createServer();
  const { session } = sessionOn(server, { origins: [server.origin] });
  await session.signIn(server.signIn());
  const authorized = sessionFetch(session);
  const patched = vi.spyOn(globalThis, "fetch").mockImplementation(server.fetch);
  onTestFinished(() => patched.mockRestore());
  server.expire();

  const answer = await authorized(server.origin);

  expect(await answer.json()).toMatchObject({ generation: 1 });
  expect(patched).toHaveBeenCalledTimes(2);
});

test("takes anything that shows itself as a URL, and init null, as fetch does", async () => {
  const { origin, calls, authorized } = await recorded();

  await authorized({ toString: () => `${origin}/me` } as string, null as unknown as RequestInit);

  expect(calls).toMatchObject([[`${origin}/me`, {}]]);
});

test.each<[string, unknown, unknown]>([
  ["a URL that cannot be shown", Symbol("url"), {}],
  ["no URL", undefined, {}],
  ["an illegal field", "", { headers: { "a b": "1" } }],
  ["fields that are not", "", { headers: 7 }],
  ["an illegal method", "", { method: "a b" }],
  ["a body on a GET", "", { body: "body" }],
  ["a body that is locked", "", { method: "POST", body: locked(), duplex: "half" }],
  ["a stream without duplex", "", { method: "POST", body: new ReadableStream() }],
  ["a method that is no string", "", { method: Symbol("method") }],
])("rejects %s with a TypeError, and never throws", async (_, input, init) => {
  const { server, origin, authorized } = await stage(implementations[0] as (typeof implementations)[0]);

  const outcome = await outcomeOf(authorized((input === "" ? origin : input) as string, init as RequestInit));

  expect(outcome).toBeInstanceOf(TypeError);
  expect(ledger(server.log)).toStrictEqual(account({}));
});

function locked(): ReadableStream {
  const stream = new ReadableStream();
  stream.getReader();
  return stream;
}

describe.each(implementations)("through $name", (via) => {
  test.each<[string, () => HeadersInit]>([
    ["a record", () => ({ "X-Own": "1" })],
    ["a list of pairs", () => [["X-Own", "1"]]],
    ["Headers", () => new via.Headers({ "X-Own": "1" })],
    ["an iterator", () => new Map([["X-Own", "1"]]).entries() as unknown as HeadersInit],
  ])("adds the token to fields given as %s, on every send", async (_, make) => {
    const { server, origin, authorized } = await stage(via);
    server.expire();

    await authorized(origin, { headers: make() });

    const sent = server.log.flatMap((entry) => (entry.at === "resource" ? [entry.headers] : []));
    expect(sent).toMatchObject([
      { authorization: "Bearer a0", "x-own": "1" },
      { authorization: "Bearer a1", "x-own": "1" },
    ]);
  });
});

test("holds for a Request that is stale, and sends the very same one", async () => {
  const clock = createClock();
  const server = createServer({ expiresIn: 60, now: clock.now });
  const { session } = sessionOn(server, { clock, origins: [server.origin] });
  await session.signIn(server.signIn());
  clock.jump(60_000);
  const inputs: unknown[] = [];
  const request = new Request(server.origin, { method: "POST", body: "body" });

  await sessionFetch(session, {
    fetch: (...[input, init]) => {
      inputs.push(input);
      return server.fetch(input, init);
    },
  })(request);

  expect(inputs[0]).toBe(request);
});
