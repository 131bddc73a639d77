import { ledger } from "@freshtoken/testing";
import { QueryClient } from "@tanstack/query-core";
import { describe, expect, test } from "vitest";
import { account, burst, HOUR, hourly, names, outcomeOf, stage } from "./support.ts";

/** TanStack Query as it comes, without its delays. */
function createClient(retryDelay: () => number = () => 0): QueryClient {
  return new QueryClient({ defaultOptions: { queries: { retry: 3, retryDelay } } });
}

describe.each(names)("with TanStack Query's own retry, through %s", (name) => {
  test("refreshes once for a burst of queries that meets a stale token", async () => {
    const { clock, ...both } = hourly();
    const { server, query } = await stage([name], { clock, ...both });
    clock.jump(HOUR);

    const generations = await burst(createClient(), query, 20);

    expect(generations).toStrictEqual(Array(20).fill(1));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 20, answers: 20 }),
    );
  });

  test("refreshes once for a burst of queries that are refused together", async () => {
    const { server, query, calls } = await stage([name]);
    server.expire();

    const generations = await burst(createClient(), query, 20);

    expect([generations, calls.length]).toStrictEqual([Array(20).fill(1), 20]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 40, refusals: 20, answers: 20 }),
    );
  });

  test("makes as many attempts as configured while the resource server fails", async () => {
    const { server, query } = await stage([name]);
    server.always("/me", { status: 500 });

    const error = await outcomeOf(createClient().query(query("/me")));

    expect(error).toMatchObject({ response: { status: 500 } });
    expect(ledger(server.log)).toStrictEqual(account({ requests: 4, answers: 4 }));
  });

  test("makes as many attempts as configured across an expiry, and one refresh among them", async () => {
    const { server, query } = await stage([name]);
    server.next("/me", { status: 500 }, { refuse: true });
    server.always("/me", { status: 500 });

    const error = await outcomeOf(createClient().query(query("/me")));

    expect(error).toMatchObject({ response: { status: 500 } });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 5, refusals: 1, answers: 4 }),
    );
  });

  test("makes as many attempts as configured in an outage, and asks the token endpoint once in a cool-down", async () => {
    const { clock, ...both } = hourly();
    const { server, query, calls } = await stage([name], { clock, ...both, refreshAttempts: 1 });
    server.always("token", { status: 503 });
    clock.jump(HOUR);

    const error = await outcomeOf(createClient().query(query("/me")));

    expect([calls.length, error]).toMatchObject([4, { code: "ERR_REFRESH_FAILED" }]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test("asks the token endpoint once in a cool-down for a token that was refused", async () => {
    const { clock, ...both } = hourly();
    const { server, query } = await stage([name], { clock, ...both, refreshAttempts: 1 });
    server.always("token", { status: 503 });
    server.expire();

    const error = await outcomeOf(createClient().query(query("/me")));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 4, refusals: 4 }));
  });

  test("asks the token endpoint again after each cool-down, whatever is tried in it", async () => {
    const { clock, ...both } = hourly();
    const { server, query } = await stage([name], { clock, ...both, refreshAttempts: 1 });
    server.next("token", { status: 503 });
    clock.jump(HOUR);
    const after400ms = () => {
      clock.jump(400);
      return 0;
    };

    const answer = await createClient(after400ms).query(query("/me"));

    expect(answer).toMatchObject({ generation: 1 });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 2, refreshes: 1, requests: 1, answers: 1 }));
  });

  test("cancels a query that is held, and leaves the refresh and the others alone", async () => {
    const { clock, ...both } = hourly();
    const { server, query } = await stage([name], { clock, ...both });
    const gate = server.gate("token");
    const client = createClient();
    clock.jump(HOUR);

    const cancelled = outcomeOf(client.query(query("/cancelled")));
    const other = client.query(query("/other"));
    await gate.reached(1);
    await client.cancelQueries({ queryKey: ["/cancelled"] });
    gate.open();

    expect(await cancelled).toMatchObject({ message: "CancelledError" });
    expect(await other).toMatchObject({ path: "/other", generation: 1 });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 1, answers: 1 }));
  });

  test("sends a cancelled query that was refused no second time, and refreshes for the next", async () => {
    const { server, session, query } = await stage([name]);
    const gate = server.gate("token");
    const client = createClient();
    server.expire();

    const cancelled = outcomeOf(client.query(query("/me")));
    await gate.reached(1);
    await client.cancelQueries();
    gate.open();

    expect(await cancelled).toMatchObject({ message: "CancelledError" });
    expect(await session.tokens()).toMatchObject({ accessToken: "a1" });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 1, refusals: 1 }),
    );
  });
});

test("refreshes once for queries of axios, ky and fetch that share a session", async () => {
  const { server, query } = await stage(names);
  server.expire();

  const generations = await burst(createClient(), query, 60);

  expect(generations).toStrictEqual(Array(60).fill(1));
  expect(ledger(server.log)).toStrictEqual(
    account({ attempts: 1, refreshes: 1, requests: 120, refusals: 60, answers: 60 }),
  );
});
