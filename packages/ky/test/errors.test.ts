import { FreshtokenError } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import type { HTTPError, Options } from "ky";
import { describe, expect, test } from "vitest";
import { account, HOUR, hourly, ONE_REPLAY, outcomeOf, type Release, releases, stage } from "./support.ts";

/** Options that count what ky's beforeError hook is shown, and let ky retry at once. */
function watching(seen: string[]): Options {
  return {
    retry: { limit: 2, delay: () => 0 },
    hooks: {
      beforeError: [
        ({ error }) => {
          seen.push((error as HTTPError).response ? `${(error as HTTPError).response.status}` : error.name);
          return error;
        },
      ],
    },
  };
}

/** A stage whose refresh is tried once a round. */
async function watched(via: Release, props: Partial<Parameters<typeof stage>[1]> = {}) {
  const seen: string[] = [];
  return { seen, ...(await stage(via, { refreshAttempts: 1, options: watching(seen), ...props })) };
}

describe.each(releases)("through $name", (via) => {
  test("ends in ky's HTTPError, its data readable, where the refresh token is rejected", async () => {
    const { seen, server, session, client } = await watched(via);
    server.expire();
    server.withdraw();

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({
      name: "HTTPError",
      data: { error: "invalid_token" },
      response: { status: 401 },
    });
    expect([seen, session.state.status]).toStrictEqual([["401"], "signedOut"]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
  });

  test("ends in ky's HTTPError, its data readable, where a fresh token is refused too", async () => {
    const { seen, server, session, client } = await watched(via);
    server.always("/me", { refuse: true });

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({
      name: "HTTPError",
      data: { error: "invalid_token" },
      response: { status: 401 },
    });
    expect([seen, session.state.status]).toStrictEqual([["401"], "signedIn"]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 2 }),
    );
  });

  test("shows beforeError nothing where the refresh helps", async () => {
    const { seen, server, client } = await watched(via);
    server.expire();

    await client.get("me");

    expect(seen).toStrictEqual([]);
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });

  test("rejects a refused request with the RefreshFailedError itself in an outage, and ky does not retry it", async () => {
    const { seen, server, session, client } = await watched(via);
    server.always("token", { status: 503 });
    server.expire();

    const error = await outcomeOf(client.get("me"));

    expect(error).toBeInstanceOf(FreshtokenError);
    expect(error).toMatchObject({ name: "RefreshFailedError", code: "ERR_REFRESH_FAILED" });
    expect([seen, session.state.status]).toStrictEqual([["RefreshFailedError"], "signedIn"]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
  });

  test("rejects a held request with the RefreshFailedError itself in an outage, and sends nothing", async () => {
    const { clock, ...both } = hourly();
    const { seen, server, client } = await watched(via, { clock, ...both });
    server.always("token", { status: 503 });
    clock.jump(HOUR);

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({ name: "RefreshFailedError", code: "ERR_REFRESH_FAILED" });
    expect(seen).toStrictEqual(["RefreshFailedError"]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test.each([
    ["held", 0],
    ["made in the cool-down", 1],
  ])("names the request in the error of one that was %s, without its query", async (_, earlier) => {
    const { clock, ...both } = hourly();
    const { server, origin, client } = await watched(via, { clock, ...both });
    server.always("token", { status: 503 });
    clock.jump(HOUR);
    for (let count = 0; count < earlier; count++) await outcomeOf(client.get("earlier"));

    const error = await outcomeOf(client.post("me?secret=1"));

    expect(error).toMatchObject({
      code: "ERR_REFRESH_FAILED",
      request: { method: "POST", url: `${origin}/me` },
    });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test("rejects a held request with the RefreshRejectedError itself where the session ends", async () => {
    const { clock, ...both } = hourly();
    const { seen, server, client } = await watched(via, { clock, ...both });
    server.withdraw();
    clock.jump(HOUR);

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({ name: "RefreshRejectedError", code: "ERR_REFRESH_REJECTED" });
    expect(seen).toStrictEqual(["RefreshRejectedError"]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test("rejects with the SignedOutError itself after a sign-out, and ky does not retry it", async () => {
    const { seen, server, session, client } = await watched(via);
    const gate = server.gate("token");
    server.expire();

    const outcomes = Promise.all([outcomeOf(client.get("refused")), outcomeOf(client.get("also"))]);
    await gate.reached(1);
    await session.signOut();
    gate.open();

    expect(await outcomes).toMatchObject(Array(2).fill({ name: "SignedOutError", code: "ERR_SIGNED_OUT" }));
    expect(seen).toStrictEqual(["SignedOutError", "SignedOutError"]);
    expect(ledger(server.log)).toMatchObject({ requests: 2, refusals: 2, answers: 0 });
  });

  test("sends without a token when signed out, and its 401 is ky's own", async () => {
    const { server, session, client } = await watched(via);
    await session.signOut();

    const error = await outcomeOf(client.get("me"));

    expect(error).toMatchObject({ name: "HTTPError", data: {}, response: { status: 401 } });
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, refusals: 1 }));
  });

  test("leaves a 401 as an answer where throwHttpErrors is false", async () => {
    const { server, client } = await watched(via, { server: createServer() });
    server.always("/me", { refuse: true });

    const answer = await client.get("me", { throwHttpErrors: false });

    expect([answer.status, await answer.json()]).toStrictEqual([401, { error: "invalid_token" }]);
  });
});
