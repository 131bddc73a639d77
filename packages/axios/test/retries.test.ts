import { FreshtokenError } from "@freshtoken/core";
import { createClock, createServer, ledger } from "@freshtoken/testing";
import axiosRetry, { isNetworkOrIdempotentRequestError } from "axios-retry";
import { describe, expect, test } from "vitest";
import { account, adapters, outcomeOf, stage } from "./support.ts";

describe.each(adapters)("with axios-retry around it, through the %s adapter", (adapter) => {
  test("makes as many attempts as configured, and one refresh among them", async () => {
    const { server, api } = await stage(adapter);
    axiosRetry(api as never, { retries: 2, retryDelay: () => 0 });
    server.expire();
    server.next("/me", {}, { status: 503, times: 3 });

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ response: { status: 503 } });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 4, refusals: 1, answers: 3 }),
    );
  });

  test("refreshes once for a burst of 100 at an expiry, of which each is tried as often as configured", async () => {
    const { server, api } = await stage(adapter);
    axiosRetry(api as never, { retries: 2, retryDelay: () => 0 });
    server.expire();
    server.always("resource", (entry) =>
      entry.at === "resource" && entry.generation === 1 ? { status: 503 } : undefined,
    );

    const answers = Array.from({ length: 100 }, (_, index) => outcomeOf(api.get(`/${index}`)));

    expect(await Promise.all(answers)).toMatchObject(Array(100).fill({ response: { status: 503 } }));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 400, refusals: 100, answers: 300 }),
    );
  });

  test("uses up none of its attempts for a replay", async () => {
    const { server, api } = await stage(adapter);
    axiosRetry(api as never, { retries: 1, retryDelay: () => 0 });
    server.next("/me", { status: 503 });
    server.expire();

    const answer = await api.get("/me");

    expect(answer.data).toMatchObject({ generation: 1 });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 3, refusals: 1, answers: 2 }),
    );
  });

  test("leaves the session's own errors alone where its condition says so, as the README has it", async () => {
    const { server, session, api } = await stage(adapter);
    const gate = server.gate("token");
    axiosRetry(api as never, {
      retryCondition: (error) =>
        !(error.cause instanceof FreshtokenError) && isNetworkOrIdempotentRequestError(error),
    });
    server.expire();

    const refused = outcomeOf(api.put("/me", { of: "the first user" }));
    await gate.reached(1);
    await session.signIn(server.signIn());
    gate.open();

    expect(await refused).toMatchObject({ code: "ERR_SIGNED_OUT" });
    expect(ledger(server.log)).toMatchObject({ signIns: 2, requests: 1, refusals: 1, answers: 0 });
  });

  test("refreshes once for a stale token, whatever is tried again while the cool-down lasts", async () => {
    const clock = createClock();
    const server = createServer({ expiresIn: 60, now: clock.now });
    const { api } = await stage(adapter, { clock, server, refreshAttempts: 1 });
    const retried: number[] = [];
    axiosRetry(api as never, {
      retries: 3,
      retryDelay: () => 0,
      onRetry: (count) => void retried.push(count),
    });
    clock.jump(60_000);
    server.next("token", { status: 503 });

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(retried).toStrictEqual([1, 2, 3]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });
});
