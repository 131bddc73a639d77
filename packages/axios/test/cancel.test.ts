import { getEventListeners } from "node:events";
import { createClock, createServer, ledger, settled } from "@freshtoken/testing";
import axios, { type AxiosInstance } from "axios";
import { describe, expect, test } from "vitest";
import { account, adapters, outcomeOf, replayedOnce, stage } from "./support.ts";

/** One way to cancel a request: its part of the config, and the act. */
interface Way {
  readonly name: string;
  make(): { config: Parameters<AxiosInstance["get"]>[1]; cancel(): void };
}

const ways: readonly Way[] = [
  {
    name: "signal",
    make() {
      const controller = new AbortController();
      return { config: { signal: controller.signal }, cancel: () => controller.abort(new Error("own")) };
    },
  },
  {
    name: "cancel token",
    make() {
      const { token, cancel } = axios.CancelToken.source();
      return { config: { cancelToken: token }, cancel };
    },
  },
  {
    name: "cancel token beside a signal",
    make() {
      const { token, cancel } = axios.CancelToken.source();
      return { config: { cancelToken: token, signal: new AbortController().signal }, cancel };
    },
  },
  {
    name: "signal beside a cancel token",
    make() {
      const controller = new AbortController();
      const { token } = axios.CancelToken.source();
      return { config: { cancelToken: token, signal: controller.signal }, cancel: () => controller.abort() };
    },
  },
];

describe.each(adapters)("through the %s adapter", (adapter) => {
  test.each(ways)("cancels a held request by its $name at once, and never sends it", async ({ make }) => {
    const clock = createClock();
    const server = createServer({ expiresIn: 60, now: clock.now });
    const { api } = await stage(adapter, { clock, server });
    const gate = server.gate("token");
    const { config, cancel } = make();
    clock.jump(60_000);

    const held = outcomeOf(api.get("/held", config));
    const other = api.get("/other");
    await gate.reached(1);
    cancel();

    expect(await held).toMatchObject({ name: "CanceledError", code: "ERR_CANCELED" });
    gate.open();
    expect((await other).status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 1, answers: 1 }));
  });

  test.each(ways)(
    "cancels a refused request by its $name at once, and lets the refresh go on",
    async ({ make }) => {
      const { server, session, api } = await stage(adapter);
      const gate = server.gate("token");
      const { config, cancel } = make();
      server.expire();

      const refused = outcomeOf(api.get("/refused", config));
      await gate.reached(1);
      cancel();

      expect(await refused).toMatchObject({ name: "CanceledError", code: "ERR_CANCELED" });
      gate.open();
      expect(await session.tokens()).toMatchObject({ accessToken: "a1" });
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 1, refusals: 1 }),
      );
    },
  );

  test.each(ways)("cancels a request in flight by its $name", async ({ make }) => {
    const { server, api } = await stage(adapter);
    const gate = server.gate("/me");
    const { config, cancel } = make();

    const sent = outcomeOf(api.get("/me", config));
    await gate.reached(1);
    cancel();

    expect(await sent).toMatchObject({ name: "CanceledError", code: "ERR_CANCELED" });
    await server.when(
      ([, request]) => request !== undefined && "status" in request && request.status === "aborted",
    );
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, unanswered: 1 }));
  });

  test.each(ways)("cancels a replay in flight by its $name", async ({ make }) => {
    const { server, api } = await stage(adapter);
    const { config, cancel } = make();
    server.expire();
    server.next("/me", {}, { hang: "before" });

    const replayed = outcomeOf(api.get("/me", config));
    await server.when((log) => ledger(log).requests === 2);
    cancel();

    expect(await replayed).toMatchObject({ name: "CanceledError", code: "ERR_CANCELED" });
    expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, requests: 2, refusals: 1 });
  });

  test.each(ways)("sends nothing that its $name has cancelled before", async ({ make }) => {
    const { server, api } = await stage(adapter);
    const { config, cancel } = make();
    cancel();

    expect(await outcomeOf(api.get("/me", config))).toMatchObject({ code: "ERR_CANCELED" });
    expect(ledger(server.log)).toStrictEqual(account({}));
  });

  test("cancels at once a request that its own transform aborts, where it would be held", async () => {
    const { server, api } = await stage(adapter);
    const gate = server.gate("token");
    const controller = new AbortController();
    const { token } = axios.CancelToken.source();
    const transformRequest = () => controller.abort();
    server.expire();

    const refused = api.get("/refused");
    await gate.reached(1);
    const config = { signal: controller.signal, cancelToken: token, transformRequest };
    const error = await outcomeOf(api.post("/me", "text", config));
    gate.open();

    expect(error).toMatchObject({ name: "CanceledError", code: "ERR_CANCELED" });
    expect((await refused).status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test("keeps no listener on a signal when its requests are settled", async () => {
    const { server, api } = await stage(adapter);
    const { signal } = new AbortController();
    const { token } = axios.CancelToken.source();
    server.expire();
    server.next("/large", { alter: () => new Response(new Uint8Array(500_000), { status: 401 }) });

    await Promise.all([api.get("/me", { signal }), api.get("/me", { signal, cancelToken: token })]);
    const { data } = await api.get("/large", { signal, responseType: "stream" });
    await new Response(data).arrayBuffer();
    await settled();

    expect(getEventListeners(signal, "abort")).toStrictEqual([]);
  });

  test("keeps no listener on a cancel token when its requests are settled", async () => {
    const { server, api } = await stage(adapter);
    const { token } = axios.CancelToken.source();
    const listeners = () => (token as unknown as { _listeners: unknown[] | null })._listeners ?? [];
    server.expire();

    await Promise.all([1, 2, 3].map(() => api.get("/me", { cancelToken: token, responseType: "text" })));

    expect(listeners()).toStrictEqual([]);
  });
});
