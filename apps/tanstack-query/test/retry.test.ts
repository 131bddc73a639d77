import {
  NotReplayableError,
  QueueFullError,
  RefreshFailedError,
  RefreshRejectedError,
  type SessionOptions,
  SignedOutError,
} from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { QueryClient } from "@tanstack/query-core";
import { AxiosError } from "axios";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { retry, retryDelay } from "../src/retry.ts";
import { account, burst, HOUR, type Name, names, outcomeOf, stage } from "./support.ts";

const NOW = 1_700_000_000_000;

// The session has the platform's clock, as an app's has: what is awaited here is awaited by no real timer.
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: NOW });
  onTestFinished(() => void vi.useRealTimers());
});

function failedUntil(retryAt: number): RefreshFailedError {
  return new RefreshFailedError("", { retryAt });
}

function inAxios(cause: Error): AxiosError {
  return Object.assign(new AxiosError(""), { cause });
}

test.each([
  ["a refresh that failed", failedUntil(NOW + 1_000)],
  ["a refresh that failed, told by axios", inAxios(failedUntil(NOW + 1_000))],
  ["a refresh that is made again within half a minute", failedUntil(NOW + 29_999)],
  ["a full queue", new QueueFullError("")],
  ["a 500", { response: { status: 500 } }],
  ["a network that is down", new TypeError("fetch failed")],
  ["a rejection without a reason", undefined],
])("makes three more attempts after %s", (_, error) => {
  expect([0, 1, 2, 3].map((failures) => retry(failures, error))).toStrictEqual([true, true, true, false]);
});

test.each([
  ["a refresh that is not made again within half a minute", failedUntil(NOW + 30_000)],
  ["a refresh that was rejected", new RefreshRejectedError("")],
  ["a session that has ended", new SignedOutError("")],
  ["a session that has ended, told by axios", inAxios(new SignedOutError(""))],
  ["a body that cannot be sent again", new NotReplayableError("")],
  ["a 401", { response: { status: 401 } }],
  ["a 403", { response: { status: 403 } }],
  ["a 403 that the error itself tells", { status: 403 }],
])("makes no other attempt after %s", (_, error) => {
  expect(retry(0, error)).toBe(false);
});

test.each([
  ["not at all where the next refresh may be made", failedUntil(NOW - 1_000), [0, 0, 0]],
  ["until the next refresh may be made, and a millisecond", failedUntil(NOW + 1_500), [1501, 1501, 1501]],
  ["until then in axios", inAxios(failedUntil(NOW + 1_500)), [1501, 1501, 1501]],
  ["twice as long each time for a full queue", new QueueFullError(""), [1_000, 4_000, 30_000]],
  ["twice as long each time for anything else", new TypeError("fetch failed"), [1_000, 4_000, 30_000]],
])("waits %s", (_, error, delays) => {
  expect([0, 2, 9].map((failures) => retryDelay(failures, error))).toStrictEqual(delays);
});

function createClient(): QueryClient {
  return new QueryClient({ defaultOptions: { queries: { retry, retryDelay } } });
}

/** A session whose token is stale, and a client with the wiring. */
async function stale(name: Name, options: Partial<SessionOptions> = {}) {
  const server = createServer({ expiresIn: 3600 });
  const scene = await stage([name], { server, refreshAttempts: 1, ...options });
  vi.setSystemTime(NOW + HOUR);
  return { ...scene, client: createClient() };
}

describe.each(names)("through %s", (name) => {
  test("waits out the cool-down of a failed refresh, and has them all answered by the next", async () => {
    const { server, query, calls, client } = await stale(name);
    server.next("token", { status: 503 });

    const generations = burst(client, query, 10);
    await vi.advanceTimersByTimeAsync(1_000);
    const before = ledger(server.log);
    await vi.advanceTimersByTimeAsync(1);

    expect(await generations).toStrictEqual(Array(10).fill(1));
    expect([before, calls.length]).toStrictEqual([account({ attempts: 1 }), 20]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 2, refreshes: 1, requests: 10, answers: 10 }),
    );
  });

  test("waits out the cool-down after a refusal too", async () => {
    const client = createClient();
    const { server, query } = await stage([name], { refreshAttempts: 1 });
    server.expire();
    server.next("token", { status: 503 });

    const answer = client.query(query("/me"));
    await vi.advanceTimersByTimeAsync(1_001);

    expect(await answer).toMatchObject({ generation: 1 });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 2, refreshes: 1, requests: 3, refusals: 2, answers: 1 }),
    );
  });

  test("has a query that found the queue full answered by a later attempt", async () => {
    const { server, query, client } = await stale(name, { maxHeld: 1 });

    const generations = burst(client, query, 2);
    await vi.advanceTimersByTimeAsync(1_000);

    expect(await generations).toStrictEqual([1, 1]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 2, answers: 2 }));
  });

  test("makes one round of refresh an attempt in an outage, as many as configured", async () => {
    const { server, query, calls, client } = await stale(name);
    server.always("token", { status: 503 });

    const outcome = outcomeOf(client.query(query("/me")));
    await vi.advanceTimersByTimeAsync(1_001 + 2_001 + 4_001);

    expect(await outcome).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect([calls.length, ledger(server.log)]).toStrictEqual([4, account({ attempts: 4 })]);
  });

  test("tells at once of an outage that lasts longer than anybody waits", async () => {
    const { server, query, calls, client } = await stale(name);
    server.always("token", { status: 503, retryAfter: 60 });

    const error = await outcomeOf(client.query(query("/me")));

    expect([calls.length, error]).toMatchObject([1, { code: "ERR_REFRESH_FAILED" }]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test("makes no other attempt for a held query when the refresh token is rejected", async () => {
    const { server, query, calls, client } = await stale(name);
    server.withdraw();

    const error = await outcomeOf(client.query(query("/me")));

    expect([calls.length, error]).toMatchObject([1, { code: "ERR_REFRESH_REJECTED" }]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test("makes no other attempt for a held query when the user signs out", async () => {
    const { server, session, query, calls, client } = await stale(name);
    const gate = server.gate("token");

    const outcome = outcomeOf(client.query(query("/me")));
    await gate.reached(1);
    await session.signOut();

    expect(await outcome).toMatchObject({ code: "ERR_SIGNED_OUT" });
    expect([calls.length, ledger(server.log)]).toStrictEqual([1, account({ attempts: 1 })]);
  });

  test.each([
    ["an ended session's 401", 401, { attempts: 1, requests: 1, refusals: 1 }],
    ["a 403", 403, { requests: 1, answers: 1 }],
  ])("makes no other attempt after %s", async (_, status, lines) => {
    const client = createClient();
    const { server, query, calls } = await stage([name]);
    server.next("token", { error: "invalid_grant" });
    server.next("/me", { status });

    const error = await outcomeOf(client.query(query("/me")));

    expect([calls.length, error]).toMatchObject([1, { response: { status } }]);
    expect(ledger(server.log)).toStrictEqual(account(lines));
  });
});
