import { createSession } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import type { Options } from "ky";
import { describe, expect, onTestFinished, test } from "vitest";
import { sessionHooks } from "../src/index.ts";
import { account, burst, type Release, releases } from "./support.ts";

/** A session whose refresh goes through the very client that waits for it. */
async function looped(via: Release, way: (signal: AbortSignal) => Options) {
  const server = createServer();
  const { origin, close } = await listen(server);
  onTestFinished(close);
  const session = createSession({
    refresh: ({ refreshToken, signal }) =>
      client.post("token", {
        body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
        ...way(signal),
      }),
  });
  const client = via.ky.create({ prefix: origin, hooks: sessionHooks(session) });
  await session.signIn(server.signIn());
  return { server, session, client };
}

describe.each(releases)("through $name", (via) => {
  test.each<[string, (signal: AbortSignal) => Options]>([
    ["by the signal it was given", (signal) => ({ signal })],
    ["by context: { session: false }", () => ({ context: { session: false } })],
  ])("lets the refresh through the client that waits for it, without a token, %s", async (_, way) => {
    const { server, client } = await looped(via, way);
    server.expire();

    const generations = await burst(client, 2);

    expect(generations).toStrictEqual([1, 1]);
    expect(server.log.find(({ at }) => at === "token")).not.toHaveProperty("headers.authorization");
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 4, refusals: 2, answers: 2 }),
    );
  });

  test("reads a rejection from the HTTPError of the client that waits for it", async () => {
    const { server, session, client } = await looped(via, (signal) => ({ signal }));
    server.expire();
    server.withdraw();

    await expect(client.get("me")).rejects.toMatchObject({ name: "HTTPError", response: { status: 401 } });

    expect(session.state).toMatchObject({ status: "signedOut", error: { code: "ERR_REFRESH_REJECTED" } });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
  });
});
