import { createSession } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import type { Options } from "ky";
import { describe, expect, test } from "vitest";
import { sessionHooks } from "../src/index.ts";
import { account, outcomeOf, type Release, releases, stage } from "./support.ts";

/** A client without sockets, and where it sent which token. */
async function recorded(via: Release, options: Options, origins?: readonly string[]) {
  const sent: string[] = [];
  const session = createSession({ refresh: async () => null, tokens: { accessToken: "a0" } });
  await session.loaded;
  const client = via.ky.create({
    hooks: sessionHooks(session, { origins }),
    fetch: async (input) => {
      const { url, headers } = input as Request;
      sent.push(`${url} ${headers.get("authorization")}`);
      return new Response();
    },
    ...options,
  });
  return { sent, client };
}

describe.each(releases)("through $name", (via) => {
  test.each<[string, Options, string]>([
    ["prefix", { prefix: "https://api.test/v1" }, "https://api.test/v1/me"],
    ["baseUrl", { baseUrl: "https://api.test/v1/" }, "https://api.test/v1/me"],
    ["baseUrl, as a URL", { baseUrl: new URL("https://api.test/v1/") }, "https://api.test/v1/me"],
    [
      "a prefix under a baseUrl",
      { prefix: "/v2", baseUrl: "https://api.test/v1/" },
      "https://api.test/v2/me",
    ],
    [
      "a whole prefix beside a baseUrl",
      { prefix: "https://api.test", baseUrl: "https://b.test" },
      "https://api.test/me",
    ],
  ])("shows the token to the origin of the instance's %s, and to no other", async (_, options, url) => {
    const { sent, client } = await recorded(via, options);

    await client.get("me");
    await client.get(new URL("https://b.test/me"));
    await client.get(new URL("https://api.test.b.test/me"));

    expect(sent).toStrictEqual([
      `${url} Bearer a0`,
      "https://b.test/me null",
      "https://api.test.b.test/me null",
    ]);
  });

  test("shows no token to an origin that a single request brings", async () => {
    const { sent, client } = await recorded(via, { prefix: "https://api.test" });

    await client.get("me");
    await client.get("me", { prefix: "https://evil.test" });
    await client.get("me", { prefix: "", baseUrl: "https://evil.test" });
    await client.extend({ prefix: "https://evil.test" }).get("me");

    const elsewhere = Array(3).fill("https://evil.test/me null");
    expect(sent).toStrictEqual(["https://api.test/me Bearer a0", ...elsewhere]);
  });

  test("goes by the origins it is given, whatever the base", async () => {
    const { sent, client } = await recorded(via, { prefix: "https://api.test" }, ["https://b.test"]);

    await client.get("me");
    await client.get(new URL("https://b.test/me"));

    expect(sent).toStrictEqual(["https://api.test/me null", "https://b.test/me Bearer a0"]);
  });

  test("throws a TypeError at the first request where nothing says which origins may see the token", async () => {
    const { sent, client } = await recorded(via, {});

    expect(() => client.get("https://api.test/me")).toThrow(
      new TypeError(
        'Nothing says which origins may see the token: give `origins`, for example ["https://api.example.com"]',
      ),
    );
    expect(sent).toStrictEqual([]);
  });

  test("rejects a request that would take the token over plain http to a host that nobody listed", async () => {
    const { sent, client } = await recorded(via, { prefix: "http://api.test" });

    await expect(client.get("me")).rejects.toThrow(TypeError);

    expect(sent).toStrictEqual([]);
  });

  test("passes a request to another origin through while others are held, and its 401 means nothing", async () => {
    const { server, client } = await stage(via);
    const foreign = await stage(via, { server: createServer() });
    const gate = server.gate("token");
    server.expire();
    const refused = client.get("refused");
    await gate.reached(1);

    const error = await outcomeOf(client.post(new URL(`${foreign.origin}/me`), { json: { id: 1 } }));
    gate.open();
    await refused;

    expect(error).toMatchObject({ name: "HTTPError", response: { status: 401 } });
    expect(ledger(foreign.server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
  });
});

test("throws at once for origins that are none", () => {
  const session = createSession({ refresh: async () => null });

  expect(() => sessionHooks(session, { origins: ["api.test"] })).toThrow(
    new TypeError('`origins` lists origins such as "https://api.example.com", not "api.test"'),
  );
});
