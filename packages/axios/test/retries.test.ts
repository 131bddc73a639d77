import { createClock, createServer, ledger } from "@freshtoken/testing";
import axiosRetry from "axios-retry";
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

  test("refreshes once for a stale token, whatever is tried again while the cool-down lasts", async () => {
    const clock = createClock();
    const server = createServer({ expiresIn: 60, now: clock.now });
    const { api } = await stage(adapter, { clock, server, refreshAttempts: 1 });
    axiosRetry(api as never, { retries: 3, retryDelay: () => 0 });
    clock.jump(60_000);
    server.next("token", { status: 503 });

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });
});
