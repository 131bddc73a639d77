import { inspect } from "node:util";
import { createClock, createServer, ledger, secretTokens } from "@freshtoken/testing";
import axios, { AxiosError } from "axios";
import { describe, expect, test } from "vitest";
import { type AdapterName, account, adapters, outcomeOf, stage } from "./support.ts";

/** A stage whose token has run out. */
async function stale(adapter: AdapterName, options = {}) {
  const clock = createClock();
  const server = createServer({ expiresIn: 60, now: clock.now });
  const all = await stage(adapter, { clock, server, refreshAttempts: 1, ...options });
  clock.jump(60_000);
  return all;
}

describe.each(adapters)("through the %s adapter", (adapter) => {
  test("rejects a held request with the error of a refresh that was rejected, and why", async () => {
    const { server, api } = await stale(adapter);
    server.withdraw();

    const error = await outcomeOf(api.get("/me"));

    expect(error).toBeInstanceOf(AxiosError);
    expect(error).toMatchObject({ code: "ERR_REFRESH_REJECTED", cause: { name: "RefreshRejectedError" } });
    expect(error).not.toHaveProperty("response");
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1 }));
  });

  test("rejects a held request with the error of a refresh that failed, and why", async () => {
    const { server, api } = await stale(adapter);
    server.next("token", { status: 503 });

    const error = await outcomeOf(api.get("/me"));

    expect(error).toBeInstanceOf(AxiosError);
    expect(error).toMatchObject({
      code: "ERR_REFRESH_FAILED",
      config: { url: "/me" },
      cause: { name: "RefreshFailedError", retryAt: expect.any(Number), cause: { status: 503 } },
    });
  });

  test("rejects a refused request without a 401 where the refresh failed: an outage signs nobody out", async () => {
    const { server, api } = await stage(adapter, { refreshAttempts: 1 });
    const signOuts: unknown[] = [];
    api.interceptors.response.use(null, (error) => {
      if (error.response?.status === 401) signOuts.push(error);
      throw error;
    });
    server.expire();
    server.next("token", { status: 503 });

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED" });
    expect(signOuts).toStrictEqual([]);
  });

  test("hands the server's last 401 back, without a cause, where fresh tokens are refused too", async () => {
    const { server, api } = await stage(adapter);
    server.always("/me", { refuse: true });

    const error = await outcomeOf(api.get("/me"));

    expect(error).toMatchObject({ code: "ERR_BAD_REQUEST", response: { status: 401 } });
    expect(error).not.toHaveProperty("cause.code");
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 2 }),
    );
  });

  test.each(["held", "refused"])(
    "rejects a %s request when the session is signed out meanwhile",
    async (how) => {
      const { server, session, api } = await (how === "held" ? stale(adapter) : stage(adapter));
      const gate = server.gate("token");
      server.expire();

      const waiting = outcomeOf(api.get("/me"));
      await gate.reached(1);
      await session.signOut();

      expect(await waiting).toMatchObject({ code: "ERR_SIGNED_OUT", cause: { name: "SignedOutError" } });
      expect(await waiting).toBeInstanceOf(AxiosError);
      gate.open();
    },
  );

  test("rejects a request that finds the queue full", async () => {
    const { server, api } = await stale(adapter, { maxHeld: 1 });
    const gate = server.gate("token");

    const first = api.get("/first");
    await gate.reached(1);
    const error = await outcomeOf(api.get("/second"));
    gate.open();

    expect(error).toMatchObject({ code: "ERR_QUEUE_FULL", cause: { name: "QueueFullError" } });
    expect((await first).status).toBe(200);
    expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 1, answers: 1 });
  });

  test("hands errors of the network back as axios has them", async () => {
    const { server, api } = await stage(adapter);
    server.next("/me", { reset: "before" });

    const error = await outcomeOf(api.get("/me"));

    expect(axios.isAxiosError(error)).toBe(true);
    expect(error).toHaveProperty("code", expect.stringMatching(/ECONNRESET|ERR_NETWORK/));
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, unanswered: 1 }));
  });

  test("says no token in what it rejects with", async () => {
    const { server, api } = await stage(adapter, {
      server: createServer({ tokens: secretTokens }),
      refreshAttempts: 1,
    });
    server.expire();
    server.next("token", { status: 503 });

    const failed = await outcomeOf(api.get("/me?code=secret"));

    const said = inspect(failed, { depth: 20, showHidden: true }) + JSON.stringify(failed);
    expect(said).toContain("ERR_REFRESH_FAILED");
    expect(said).not.toMatch(/signature-of|c2lnbmF0dXJl|eyJhbGci/);
  });
});

test.each(adapters)(
  "says no token in what a stream fails with after its answer, through the %s adapter",
  async (adapter) => {
    const { server, api } = await stage(adapter, { server: createServer({ tokens: secretTokens }) });
    server.next("/me", { alter: () => new Response(new Uint8Array(2000)) });

    const { data } = await api.get("/me", { responseType: "stream", maxContentLength: 1000 });
    const failed = await outcomeOf(new Response(data).arrayBuffer());

    const { request: _, ...said } = failed as AxiosError;
    expect(said).toMatchObject({ code: "ERR_BAD_RESPONSE", config: { url: "/me" } });
    expect(inspect(said, { depth: 20 }) + JSON.stringify(failed)).not.toMatch(
      /signature-of|c2lnbmF0|eyJhbGci/,
    );
  },
);

test("hides the cause from enumeration, as causes are", async () => {
  const { server, api } = await stage("http");
  server.withdraw();

  const rejected = await outcomeOf(api.get("/me"));

  expect(Object.keys(rejected as object)).not.toContain("cause");
  expect(JSON.stringify(rejected)).not.toContain("r0");
});
