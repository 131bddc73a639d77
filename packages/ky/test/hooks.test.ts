import { ledger, settled } from "@freshtoken/testing";
import type { BeforeRequestHook, Hooks, Options } from "ky";
import { describe, expect, test } from "vitest";
import { sessionHooks } from "../src/index.ts";
import { account, arrivals, inMemory, ONE_REPLAY, outcomeOf, releases, stage } from "./support.ts";

/** Hooks that tell when they ran. */
function told(lines: string[]): Hooks {
  return {
    init: [() => void lines.push("init")],
    beforeRequest: [
      ({ request }) => void lines.push(`beforeRequest ${request.headers.get("authorization")}`),
    ],
    beforeRetry: [() => void lines.push("beforeRetry")],
    afterResponse: [({ response }) => void lines.push(`afterResponse ${response.status}`)],
    beforeError: [
      ({ error }) => {
        lines.push(`beforeError ${error.name}`);
        return error;
      },
    ],
  };
}

/** What a Request can say of itself, none of it the default. */
const MEMBERS = {
  mode: "same-origin",
  credentials: "include",
  cache: "no-store",
  redirect: "manual",
  referrer: "https://app.test/page",
  referrerPolicy: "origin",
  integrity: "sha256-a",
  keepalive: true,
} as const;

function membersOf(request: Request): Record<string, unknown> {
  const names = ["method", "url", ...Object.keys(MEMBERS)] as (keyof Request)[];
  return Object.fromEntries(names.map((name) => [name, request[name]]));
}

const setOwn: BeforeRequestHook = ({ request }) => request.headers.set("authorization", "Bearer own");

describe.each(releases)("through $name", (via) => {
  test("runs the user's hooks once for a request that is replayed, with the last answer", async () => {
    const lines: string[] = [];
    const { server, client } = await stage(via, { options: { hooks: told(lines) } });
    server.expire();

    await client.get("me");

    expect(lines).toStrictEqual(["init", "beforeRequest null", "afterResponse 200"]);
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });

  test("holds after the user's own beforeRequest hooks, though they were given later", async () => {
    const lines: string[] = [];
    const { server, client } = await stage(via, { options: { hooks: told(lines) } });
    const gate = server.gate("token");
    server.expire();

    const refused = client.get("refused");
    await gate.reached(1);
    const held = client.get("held");
    await settled();
    gate.open();
    await Promise.all([refused, held]);

    expect(lines.slice(0, 4)).toStrictEqual(Array(2).fill(["init", "beforeRequest null"]).flat());
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 3, refusals: 1, answers: 2 }),
    );
  });

  test("does not double when extend brings the same hooks again", async () => {
    const { server, session, client } = await stage(via, {
      scheme: { sendsToken: true, fields: ({ accessToken }) => ({ "x-token": `${accessToken}` }) },
    });
    const twice = client.extend({ hooks: sessionHooks(session) }).extend({ hooks: sessionHooks(session) });
    server.always("/me", { refuse: true });

    await outcomeOf(twice.get("me"));

    expect(arrivals(server).map(({ headers }) => headers["x-token"])).toStrictEqual(["a0", "a1"]);
  });

  test("goes by the session that extend brings last", async () => {
    const { server, client } = await stage(via);
    const other = await stage(via, { server });

    const both = client.extend({ prefix: other.origin, hooks: sessionHooks(other.session) });
    const answer = await both.get("me").json();

    expect(answer).toMatchObject({ family: 2 });
    expect(ledger(server.log)).toStrictEqual(account({ signIns: 2, requests: 1, answers: 1 }));
  });

  test("sends through the fetch of the instance, or of the request, which gets what ky would give it", async () => {
    const calls: [string, unknown][] = [];
    const { server, session, origin } = await inMemory(via);
    const counting = (name: string) =>
      (async (input, init) => {
        calls.push([`${name} ${(input as Request).headers.get("authorization")}`, init]);
        return server.fetch(input);
      }) as typeof fetch;
    const client = via.ky.create({
      prefix: origin,
      fetch: counting("instance"),
      hooks: sessionHooks(session),
    });
    server.expire();

    await client.get("me", { dispatcher: 1 } as object);
    await client.get("me", { fetch: counting("request") });

    expect(calls).toStrictEqual([
      ["instance Bearer a0", { dispatcher: 1 }],
      ["instance Bearer a1", { dispatcher: 1 }],
      ["request Bearer a1", {}],
    ]);
  });

  test("gives the fetch underneath the Request that ky made, but for the token", async () => {
    const given: unknown[][] = [];
    const { origin, session } = await inMemory(via);
    const fetch = (async (input, init) => {
      given.push([membersOf(input as Request), init]);
      return new Response();
    }) as typeof globalThis.fetch;
    const options = { ...MEMBERS, json: { id: 1 }, priority: "high", next: { revalidate: 1 } } as Options;

    await via.ky.create({ prefix: origin, fetch }).post("me", options);
    await via.ky.create({ prefix: origin, fetch, hooks: sessionHooks(session) }).post("me", options);

    const [bare, ours] = given;
    expect(bare?.[0]).toMatchObject(MEMBERS);
    expect(ours).toStrictEqual(bare);
  });

  test("takes the token to no other origin that the user's hooks turn a request to", async () => {
    const urls: string[] = [];
    const elsewhere = "https://evil.test/me";
    const { origin, session } = await inMemory(via);
    const fetch = (async (input) => {
      const { url, headers } = input as Request;
      urls.push(`${url} ${headers.get("authorization")}`);
      return new Response();
    }) as typeof globalThis.fetch;
    const again = () => via.ky.retry({ delay: 0, request: new Request(elsewhere) });
    const client = via.ky.create({ prefix: origin, fetch, hooks: sessionHooks(session) });

    await client.get("me", { hooks: { beforeRequest: [({ request }) => new Request(elsewhere, request)] } });
    await client.get("me", {
      hooks: { afterResponse: [({ retryCount }) => (retryCount ? undefined : again())] },
    });

    expect(urls).toStrictEqual([`${elsewhere} null`, `${origin}/me Bearer a0`, `${elsewhere} null`]);
  });

  test("shows an afterResponse hook where the 401 came from, when the session is over", async () => {
    const urls: string[] = [];
    const afterResponse = [({ response }: { response: Response }) => void urls.push(response.url)];
    const { server, origin, client } = await stage(via, { options: { hooks: { afterResponse } } });
    server.expire();
    server.withdraw();

    await outcomeOf(client.get("me"));

    expect(urls).toStrictEqual([`${origin}/me`]);
  });

  test("leaves the options alone that a client was made of, and wraps its fetch once a call", async () => {
    const { server, session } = await inMemory(via);
    const hooks = sessionHooks(session);
    const options = { prefix: server.origin, fetch: server.fetch, hooks };
    const client = via.ky.create(options);
    server.expire();

    await client.get("one");
    await client.get("two");

    expect(options).toStrictEqual({ prefix: server.origin, fetch: server.fetch, hooks });
    expect(hooks).toStrictEqual({ init: [expect.any(Function)] });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 3, refusals: 1, answers: 2 }),
    );
  });

  test("passes a request with context: { session: false } through: not held, without a token", async () => {
    const { server, client } = await stage(via);
    const gate = server.gate("token");
    server.expire();
    const refused = client.get("refused");
    await gate.reached(1);

    const outcome = await outcomeOf(client.get("plain", { context: { session: false } }));
    gate.open();
    await refused;

    expect(outcome).toMatchObject({ name: "HTTPError", response: { status: 401 } });
    expect(arrivals(server).map(({ path, token }) => [path, token])).toStrictEqual([
      ["/refused", "a0"],
      ["/plain", undefined],
      ["/refused", "a1"],
    ]);
  });

  test.each([
    ["a field", { headers: { authorization: "Bearer own" } }],
    ["a beforeRequest hook", { hooks: { beforeRequest: [setOwn] } }],
  ])("leaves a request alone whose own Authorization comes from %s", async (_, own) => {
    const { server, client } = await stage(via);
    const gate = server.gate("token");
    server.expire();
    const refused = client.get("refused");
    await gate.reached(1);

    const outcome = await outcomeOf(client.get("own", own));
    gate.open();
    await refused;

    expect(outcome).toMatchObject({ name: "HTTPError", response: { status: 401 } });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 3, refusals: 2, answers: 1 }),
    );
  });

  test("sends what searchParams and json say, and parses the answer", async () => {
    const { server, client } = await stage(via);
    server.expire();

    const answer = await client.post("me", { searchParams: { page: 2 }, json: { id: 1 } }).json();

    expect(answer).toMatchObject({
      method: "POST",
      path: "/me",
      search: "?page=2",
      generation: 1,
      length: 8,
    });
    expect(arrivals(server).map(({ headers: { accept } }) => accept)).toStrictEqual(
      Array(2).fill("application/json"),
    );
  });
});
