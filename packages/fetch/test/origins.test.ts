import { createSession } from "@freshtoken/core";
import { createClock, createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { Agent } from "undici";
import { describe, expect, onTestFinished, test } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { account, arrivals, type Implementation, implementations, outcomeOf, stage } from "./support.ts";

const REFUSED = Object.freeze(new Response(null, { status: 401 }));

/** A session whose token is stale and cannot be refreshed, and a transport that refuses and remembers. */
async function watched(origins?: readonly string[] | ((url: URL) => boolean)) {
  const calls: unknown[][] = [];
  const clock = createClock();
  const session = createSession({
    refresh: () => Promise.reject(new Error("refreshed")),
    tokens: { accessToken: "a0", expiresAt: clock.now() - 1, issuedAt: clock.now() - 60_000 },
    refreshAttempts: 1,
    clock,
  });
  const authorized = sessionFetch(session, {
    origins: origins ?? ["https://api.test"],
    fetch: async (...call) => {
      calls.push(call);
      return REFUSED;
    },
  });
  await session.loaded;
  return { calls, session, authorized };
}

test.each([
  "//evil.test/me",
  "//api.test/me",
  "/me",
  "me",
  "",
  "https://api.test.evil.test/",
  "https://evil-api.test/",
  "https://sub.api.test/",
  "https://api.test./",
  "https://api.test@evil.test/",
  "https://api.test:me@evil.test/",
  "https://evil.test\\@api.test/",
  "https:\\\\evil.test\\api.test",
  "https://evil.test/https://api.test/",
  "https://evil.test?https://api.test",
  "https://evil.test#https://api.test",
  "https://api.test:8443/",
  "http://api.test/",
  "http://api.test:443/",
  "https://\u0430pi.test/",
  "https://api\u200b.test.evil/",
  "data:text/plain,https://api.test/",
  "blob:https://api.test/6b2f",
  "about:blank",
  "file:///https://api.test/",
  "ftp://api.test/",
])("passes %j through untouched, whose 401 means nothing", async (url) => {
  const { calls, authorized } = await watched();
  const init = { method: "POST", body: "body", headers: { "x-own": "1" } };

  const answer = await authorized(url, init);

  expect(answer).toBe(REFUSED);
  expect(calls).toStrictEqual([[url, init]]);
  expect(calls[0]?.[1]).toBe(init);
});

test.each([
  "https://api.test",
  "https://api.test/me?a=1#b",
  "HTTPS://API.TEST/me",
  "https://api.test:443/me",
  "https:\\\\api.test\\me",
  "https:api.test",
  " https://api.test/me ",
  "https://\uff41\uff50\uff49.test/me",
])("knows %j for the listed origin", async (url) => {
  const { calls, authorized } = await watched();

  await expect(authorized(url)).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });
  expect(calls).toStrictEqual([]);
});

test("passes URLs and Requests to other origins through as the very objects they are", async () => {
  const { calls, authorized } = await watched();
  const url = new URL("https://evil.test/me");
  const request = new Request(url, { method: "POST", body: "body" });

  const answers = [await authorized(url), await authorized(request)];

  expect(answers).toStrictEqual([REFUSED, REFUSED]);
  expect(calls.map(([input]) => input)).toStrictEqual([url, request]);
  expect([calls[0]?.[0] === url, calls[1]?.[0] === request, request.bodyUsed]).toStrictEqual([
    true,
    true,
    false,
  ]);
});

test("rejects a request that would take the token over plain http to a host that nobody listed", async () => {
  const { calls, authorized } = await watched(() => true);

  await expect(authorized("http://api.test/me")).rejects.toThrow(
    new TypeError(
      'The token is not sent to http://api.test over plain http: use https:, or list "http://api.test" in `origins`',
    ),
  );
  expect(calls).toStrictEqual([]);
});

test.each([
  "http://127.0.0.1:8080/me",
  "http://127.1/me",
  "http://[::1]/me",
  "http://localhost:8080/me",
  "http://api.localhost/me",
])("takes the token over plain http to loopback: %s", async (url) => {
  const { authorized } = await watched(() => true);

  await expect(authorized(url)).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });
});

test("throws a TypeError when it is made where nothing says which origins may see the token", () => {
  const session = createSession({ refresh: async () => null });

  expect(() => sessionFetch(session)).toThrow(/`origins`/);
});

describe.each(implementations)("with the classes of $name", ({ Headers, Request }) => {
  const url = "https://api.test/me";
  const own = { Authorization: "Basic b3du" };

  test.each<[string, () => Parameters<typeof fetch>]>([
    ["a record", () => [url, { headers: { authorization: "Basic b3du" } }]],
    ["a record in capitals", () => [url, { headers: { AUTHORIZATION: "Basic b3du" } }]],
    ["an empty field", () => [url, { headers: { authorization: "" } }]],
    ["a list of pairs", () => [url, { headers: [["Authorization", "Basic b3du"]] }]],
    ["a Map", () => [url, { headers: new Map([["Authorization", "Basic b3du"]]) as unknown as HeadersInit }]],
    ["Headers", () => [url, { headers: new Headers(own) }]],
    ["a Request", () => [new Request(url, { headers: own })]],
    ["a Request with init", () => [new Request(url, { headers: own }), { method: "PUT" }]],
    ["init over a Request", () => [new Request(url), { headers: own }]],
    ["a Request as init", () => [url, new Request(url, { headers: own }) as RequestInit]],
  ])(
    "leaves a request alone whose own Authorization field is in %s: not held, not refreshed for",
    async (_, make) => {
      const { calls, session, authorized } = await watched();
      const [input, init] = make();

      const answer = await authorized(input, init);

      expect(answer).toBe(REFUSED);
      expect([calls.length, calls[0]?.[0] === input, calls[0]?.[1] === init]).toStrictEqual([1, true, true]);
      expect(session.state).toMatchObject({ refreshing: false });
    },
  );

  test("takes the fields of init in place of a Request's, as fetch does", async () => {
    const { calls, authorized } = await watched();

    const request = new Request(url, { headers: own });
    const answer = authorized(request, { headers: { "x-own": "1" } });

    await expect(answer).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(calls).toStrictEqual([]);
  });
});

/** A stage, and a second server of another origin. */
async function twoOrigins(via: Implementation) {
  const other = createServer();
  const foreign = await listen(other);
  onTestFinished(foreign.close);
  return { ...(await stage(via)), other, foreign };
}

function redirect(location: string, status = 302) {
  return { status, headers: { location } };
}

describe.each(implementations)("through $name", (via) => {
  test("sends no token to another origin, whose 401 is not refreshed for", async () => {
    const { server, other, foreign, authorized } = await twoOrigins(via);

    const answer = await authorized(`${foreign.origin}/me`);

    expect(answer.status).toBe(401);
    expect(arrivals(other).map(({ token }) => token)).toStrictEqual([undefined]);
    expect(ledger(server.log)).toStrictEqual(account({}));
  });

  test("keeps the token on a redirect within the origin, and replays from where it began", async () => {
    const { server, origin, authorized } = await stage(via);
    server.always("/from", redirect("/to", 307));
    server.expire();

    const answer = await authorized(`${origin}/from`, { method: "POST", body: "whole" });

    expect(await answer.json()).toMatchObject({ path: "/to", generation: 1, length: 5 });
    expect(arrivals(server).map(({ path, token, status }) => [path, token, status])).toStrictEqual([
      ["/from", "a0", 307],
      ["/to", "a0", 401],
      ["/from", "a1", 307],
      ["/to", "a1", 200],
    ]);
  });

  test("does not take the token along to another port, whose 401 is no refusal", async () => {
    const { server, other, origin, foreign, authorized } = await twoOrigins(via);
    server.next("/from", redirect(`${foreign.origin}/to`));

    const answer = await authorized(`${origin}/from`);

    expect([answer.status, answer.url, answer.redirected]).toStrictEqual([401, `${foreign.origin}/to`, true]);
    expect(arrivals(other).map(({ token, headers }) => [token, headers.authorization])).toStrictEqual([
      [undefined, undefined],
    ]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, answers: 1 }));
  });

  test("does not take the token along to another host", async () => {
    const { server, origin, authorized } = await stage(via);
    server.next("/from", redirect(`${origin.replace("127.0.0.1", "localhost")}/to`));

    const answer = await authorized(`${origin}/from`);

    expect(answer.status).toBe(401);
    expect(arrivals(server).map(({ path, token }) => [path, token])).toStrictEqual([
      ["/from", "a0"],
      ["/to", undefined],
    ]);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 2, answers: 1, refusals: 1 }));
  });

  test("hands a redirect back that the caller wants to see, and rejects where none is allowed", async () => {
    const { server, origin, authorized } = await stage(via);
    server.always("/from", redirect("/to"));

    const answer = await authorized(`${origin}/from`, { redirect: "manual" });
    const failure = outcomeOf(authorized(`${origin}/from`, { redirect: "error" }));

    expect([answer.status, answer.headers.get("location")]).toStrictEqual([302, "/to"]);
    expect(await failure).toBeInstanceOf(TypeError);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 2, answers: 2 }));
  });
});

test("does not take the token along to a subdomain", async () => {
  const [, via] = implementations as [Implementation, Implementation];
  const { server, listener, session } = await stage(via);
  const agent = new Agent({
    connect: { lookup: (_host, _options, found) => found(null, [{ address: "127.0.0.1", family: 4 }]) },
  });
  onTestFinished(() => agent.destroy());
  const { port } = new URL(listener.origin);
  const authorized = sessionFetch(session, { fetch: via.fetch, origins: [`http://api.test:${port}`] });
  server.next("/from", redirect(`http://sub.api.test:${port}/to`));

  const answer = await authorized(`http://api.test:${port}/from`, { dispatcher: agent } as RequestInit);

  expect(answer.status).toBe(401);
  expect(arrivals(server).map(({ path, token }) => [path, token])).toStrictEqual([
    ["/from", "a0"],
    ["/to", undefined],
  ]);
  expect(ledger(server.log)).toStrictEqual(account({ requests: 2, answers: 1, refusals: 1 }));
});
