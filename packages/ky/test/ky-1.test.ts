import { FreshtokenError, type SessionOptions } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createServer, ledger, type Server } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import ky, { type KyInstance } from "ky";
import ky1, { type Options } from "ky-1";
import { expect, onTestFinished, test } from "vitest";
import { account, arrivals, burst, ONE_REPLAY, outcomeOf, refreshThrough, signedIn } from "./support.ts";

// ky 1 retries whatever a fetch rejects with, unless it is told otherwise.
const unlessOurs = {
  shouldRetry: ({ error }: { error: Error }) => (error instanceof FreshtokenError ? false : undefined),
};

interface Props extends Partial<SessionOptions> {
  readonly server?: Server;
  readonly options?: Options;
}

/** A session that is signed in at a server on a loopback port, and ky 1 over its fetch. */
async function stage({ server = createServer(), options, ...rest }: Props = {}) {
  const { origin, close } = await listen(server);
  onTestFinished(close);
  const scene = await signedIn(server, {
    refresh: refreshThrough(fetch, origin),
    origins: [origin],
    ...rest,
  });
  const authorized = sessionFetch(scene.session);
  const client = ky1.create({ prefixUrl: origin, fetch: authorized, retry: unlessOurs, ...options });
  return { ...scene, client };
}

test("answers a burst of 100 of ky 1 with one refresh", async () => {
  const { server, client } = await stage();
  server.expire();

  const generations = await burst(client as unknown as KyInstance, 100);

  expect(generations).toStrictEqual(Array(100).fill(1));
  expect(ledger(server.log)).toStrictEqual(
    account({ attempts: 1, refreshes: 1, requests: 200, refusals: 100, answers: 100 }),
  );
});

test("replays a POST of ky 1 with retry: 0, byte for byte, and runs its hooks once", async () => {
  const lines: string[] = [];
  const hooks: Options["hooks"] = {
    beforeRequest: [() => void lines.push("beforeRequest")],
    afterResponse: [(_, __, { status }) => void lines.push(`afterResponse ${status}`)],
  };
  const { server, client } = await stage({ options: { retry: 0, hooks } });
  server.expire();

  await client.post("me", { json: { id: 1 } });

  expect(lines).toStrictEqual(["beforeRequest", "afterResponse 200"]);
  expect(arrivals(server).map(({ body }) => new TextDecoder().decode(body))).toStrictEqual(
    Array(2).fill('{"id":1}'),
  );
  expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
});

test("sends each retry of ky 1 with the newest token, and as many as configured", async () => {
  const retry = { ...unlessOurs, limit: 2, delay: () => 0 };
  const { server, client } = await stage({ options: { retry } });
  server.expire();
  server.next("/me", { refuse: true }, { status: 503 }, { status: 503 });

  await client.get("me");

  expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["a0", "a1", "a1", "a1"]);
});

test("ends in ky 1's HTTPError, its body readable, where the session is over", async () => {
  const { server, client } = await stage();
  server.expire();
  server.withdraw();

  const error = (await outcomeOf(client.get("me"))) as { name: string; response: Response };

  expect([error.name, await error.response.json()]).toStrictEqual(["HTTPError", { error: "invalid_token" }]);
  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
});

test("rejects in ky 1 with the RefreshFailedError itself in an outage, once it is told not to retry it", async () => {
  const { server, client } = await stage({ refreshAttempts: 1 });
  server.always("token", { status: 503 });
  server.expire();

  await expect(client.get("me")).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });

  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
});

test("rejects a request of ky 1 that is aborted while it is refused with the signal's reason", async () => {
  const reason = new Error("changed my mind");
  const { server, client } = await stage();
  const gate = server.gate("token");
  const controller = new AbortController();
  server.expire();

  const outcome = outcomeOf(client.get("me", { signal: controller.signal }));
  await gate.reached(1);
  controller.abort(reason);

  expect(await outcome).toBe(reason);
  gate.open();
});

test("works through sessionFetch with ky 2 as well", async () => {
  const server = createServer();
  const { session } = await signedIn(server, {
    refresh: refreshThrough(server.fetch, server.origin),
    origins: [server.origin],
  });
  const client = ky.create({ prefix: server.origin, fetch: sessionFetch(session, { fetch: server.fetch }) });
  server.expire();

  await client.get("me");

  expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
});
