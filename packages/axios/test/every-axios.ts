import { createClock, createServer, ledger } from "@freshtoken/testing";
import axios, { type AxiosAdapter, type AxiosError } from "axios";
import { describe, expect, test } from "vitest";
import { account, adapters, arrivals, burst, outcomeOf, replayedOnce, stage, text } from "./support.ts";

const HOUR = 3_600_000;

/** A server and a session that share a clock; access tokens live an hour. */
function hourly() {
  const clock = createClock();
  return { clock, server: createServer({ expiresIn: 3600, now: clock.now }) };
}

// Every name leads to this machine, and the port stays that of the listener.
const lookup = (_: string, __: object, done: (error: null, address: string, family: 4) => void) =>
  done(null, "127.0.0.1", 4);

/** What holds for the oldest axios as for the newest. */
export function describeAxios(version: string): void {
  describe.each(adapters)(`through the %s adapter of axios ${version}`, (adapter) => {
    test("answers a burst of 100 at an expiry that nobody knew of with one refresh", async () => {
      const { server, api } = await stage(adapter);
      server.expire();

      const statuses = await burst(api, 100);

      expect(statuses).toStrictEqual(Array(100).fill(200));
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 200, refusals: 100, answers: 100 }),
      );
    });

    test("holds a burst of 100 while a stale token is refreshed, and sends each once", async () => {
      const { clock, ...both } = hourly();
      const { server, api } = await stage(adapter, { clock, ...both });
      clock.jump(HOUR);

      const statuses = await burst(api, 100);

      expect(statuses).toStrictEqual(Array(100).fill(200));
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 100, answers: 100 }),
      );
    });

    test("replays a refusal that arrives after the refresh without another one", async () => {
      const { server, api } = await stage(adapter);
      const gate = server.gate("/late", "answer");
      server.expire();

      const late = api.get("/late");
      await gate.reached(1);
      await api.get("/early");
      gate.open();

      expect((await late).data).toMatchObject({ path: "/late", generation: 1 });
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 4, refusals: 2, answers: 2 }),
      );
    });

    test("sends what was held in the order it was asked for", async () => {
      const { clock, ...both } = hourly();
      const { server, api } = await stage(adapter, { clock, ...both });
      const gate = server.gate("token");
      const sent: unknown[] = [];
      const noting: AxiosAdapter = (config) => {
        sent.push(config.url);
        return axios.getAdapter(adapter)(config);
      };
      clock.jump(HOUR);

      const held = ["/1", "/2", "/3"].map((path) => api.get(path, { adapter: noting }));
      await gate.reached(1);
      const before = [...sent];
      gate.open();
      await Promise.all(held);

      expect([before, sent]).toStrictEqual([[], ["/1", "/2", "/3"]]);
    });

    test("sends with an ageing token, and refreshes once in the background", async () => {
      const { clock, ...both } = hourly();
      const { server, session, api } = await stage(adapter, { clock, ...both });
      clock.jump(HOUR - 30_000);

      const statuses = await burst(api, 100);
      await session.refresh();

      expect(statuses).toStrictEqual(Array(100).fill(200));
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 100, answers: 100 }),
      );
    });

    test("rejects with the server's own 401 and why, where the refresh is rejected", async () => {
      const { server, api } = await stage(adapter);
      server.withdraw();

      const error = await outcomeOf(api.get("/me"));

      expect(axios.isAxiosError(error)).toBe(true);
      expect(error).toMatchObject({
        code: "ERR_BAD_REQUEST",
        response: { status: 401, data: { error: "invalid_token" } },
        cause: { name: "RefreshRejectedError", code: "ERR_REFRESH_REJECTED" },
      });
      expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
    });

    test("hands the caller's own config back with an error, and with one that it wraps", async () => {
      const { server, api } = await stage(adapter);
      server.always("/me", { refuse: true });

      const error = (await outcomeOf(api.get("/me"))) as AxiosError;

      const { config, response, cause } = error;
      const configs = [response?.config, axios.isAxiosError(cause) ? cause.config : config];
      expect(config?.headers.has("authorization")).toBe(false);
      expect(configs.map((each) => each === config)).toStrictEqual([true, true]);
    });

    test("rejects with an AxiosError and why, where the refresh fails", async () => {
      const { server, api } = await stage(adapter, { refreshAttempts: 1 });
      server.expire();
      server.next("token", { status: 503 });

      const error = await outcomeOf(api.get("/me"));

      expect(axios.isAxiosError(error)).toBe(true);
      expect(error).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { name: "RefreshFailedError" } });
      expect(error).not.toHaveProperty("response");
    });

    test("cancels a request that is held, and never sends it", async () => {
      const { clock, ...both } = hourly();
      const { server, api } = await stage(adapter, { clock, ...both });
      const gate = server.gate("token");
      const controller = new AbortController();
      clock.jump(HOUR);

      const held = outcomeOf(api.get("/me", { signal: controller.signal }));
      await gate.reached(1);
      controller.abort();

      expect(axios.isCancel(await held)).toBe(true);
      gate.open();
      expect((await api.get("/other")).status).toBe(200);
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 1, answers: 1 }),
      );
    });

    test("replays what was posted byte for byte", async () => {
      const { server, api } = await stage(adapter);
      server.expire();

      await api.post("/orders", { id: 1, name: "ü" });

      expect(arrivals(server).map(({ generation, body }) => [generation, text(body)])).toStrictEqual([
        [0, '{"id":1,"name":"ü"}'],
        [1, '{"id":1,"name":"ü"}'],
      ]);
      expect(ledger(server.log)).toStrictEqual(replayedOnce);
    });

    test("rejects, past response interceptors, what may see the token but not over plain http", async () => {
      const { server, api } = await stage(adapter, { origins: () => true });
      const seen: unknown[] = [];
      api.interceptors.response.use(null, (error) => {
        seen.push(error);
        throw error;
      });

      const error = await outcomeOf(api.get("http://api.example.test/me"));

      expect(seen).toStrictEqual([error]);
      expect(error).toStrictEqual(
        new TypeError(
          'The token is not sent to http://api.example.test over plain http: use https:, or list "http://api.example.test" in `origins`',
        ),
      );
      expect(ledger(server.log)).toStrictEqual(account({}));
    });

    test("leaves no trace when it is detached", async () => {
      const { server, api, detach } = await stage(adapter);

      detach();
      const error = await outcomeOf(api.get("/me"));

      expect(error).toMatchObject({ response: { status: 401 } });
      expect(arrivals(server)).toMatchObject([{ token: undefined }]);
    });
  });

  test(`takes no token along on a redirect to a subdomain, through axios ${version}`, async () => {
    const server = createServer();
    const { listener, session, api } = await stage("http", {
      server,
      origins: (url) => url.hostname === "localhost",
    });
    const { port } = new URL(listener.origin);
    const locations = [`http://sub.localhost:${port}/to`, `http://localhost:${port}/back`];
    server.always("/from", { status: 307, headers: { location: locations[0] as string } });
    server.always("/to", { status: 307, headers: { location: locations[1] as string } });
    server.always("/back", { status: 200 });

    await api.get(`http://localhost:${port}/from`, { lookup } as never);

    expect(arrivals(server).map(({ path, headers }) => [path, headers.authorization])).toStrictEqual([
      ["/from", "Bearer a0"],
      ["/to", undefined],
      ["/back", undefined],
    ]);
    await session.close();
  });
}
