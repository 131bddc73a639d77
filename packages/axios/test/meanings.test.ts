import { createClock, createServer, ledger } from "@freshtoken/testing";
import axios, { type AxiosAdapter, type InternalAxiosRequestConfig } from "axios";
import { describe, expect, test } from "vitest";
import { account, adapters, arrivals, outcomeOf, replayedOnce, stage, text } from "./support.ts";

/** A stage whose token has run out: requests are held until the gate opens. */
async function holding(adapter: "http" | "fetch") {
  const clock = createClock();
  const all = await stage(adapter, { clock, server: createServer({ expiresIn: 60, now: clock.now }) });
  clock.jump(60_000);
  return { ...all, gate: all.server.gate("token") };
}

describe.each(adapters)("through the %s adapter", (adapter) => {
  test.each([
    ["json", (data: unknown) => data],
    ["text", (data: string) => JSON.parse(data)],
    ["arraybuffer", (data: Uint8Array) => JSON.parse(text(new Uint8Array(data)))],
    ["stream", async (data: ReadableStream) => JSON.parse(text(Buffer.concat(await chunksOf(data))))],
  ] as const)("answers a replay as the responseType %s has it", async (responseType, read) => {
    const { server, api } = await stage(adapter);
    server.expire();

    const { data } = await api.get("/me", { responseType });

    expect(await read(data as never)).toMatchObject({ path: "/me", generation: 1 });
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test.each([
    ["json", (data: unknown) => data],
    ["arraybuffer", (data: Uint8Array) => JSON.parse(text(new Uint8Array(data)))],
    ["stream", async (data: ReadableStream) => JSON.parse(text(Buffer.concat(await chunksOf(data))))],
  ] as const)("leaves a final refusal readable whose responseType is %s", async (responseType, read) => {
    const { server, api } = await stage(adapter);
    server.withdraw();

    const { response, cause } = (await outcomeOf(api.get("/me", { responseType }))) as never as {
      response: { status: number; data: never };
      cause: unknown;
    };

    expect([response.status, await read(response.data)]).toStrictEqual([401, { error: "invalid_token" }]);
    expect(cause).toMatchObject({ code: "ERR_REFRESH_REJECTED" });
  });

  test("keeps 64 KiB of a large refusal that is a stream", async () => {
    const { server, api } = await stage(adapter);
    server.withdraw();
    server.next("/me", { alter: () => new Response(new Uint8Array(500_000), { status: 401 }) });

    const { data } = await api.get("/me", { responseType: "stream", validateStatus: null });

    expect(Buffer.concat(await chunksOf(data)).byteLength).toBe(64 * 1024);
  });

  test("resolves with a final refusal that validateStatus takes", async () => {
    const { server, api } = await stage(adapter);
    server.withdraw();

    const answer = await api.get("/me", { validateStatus: () => true });

    expect([answer.status, answer.data]).toStrictEqual([401, { error: "invalid_token" }]);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
  });

  test("sends through a request's own adapter, once for each send", async () => {
    const { server, api } = await stage(adapter);
    const seen: (string | undefined)[] = [];
    const own: AxiosAdapter = (config) => {
      seen.push(config.headers.get("authorization")?.toString());
      return axios.getAdapter(adapter)(config);
    };
    server.expire();

    await api.get("/me", { adapter: own });

    expect(seen).toStrictEqual(["Bearer a0", "Bearer a1"]);
  });

  test("shows an adapter a config that has all that its own has, also what is hidden", async () => {
    const { api } = await stage(adapter);
    const members: PropertyKey[][] = [];
    const own: AxiosAdapter = (config) => {
      members.push(Reflect.ownKeys(config).filter((name) => name !== "data" && name !== "beforeRedirect"));
      return axios.getAdapter(adapter)(config);
    };

    await api.get("/me", { adapter: own });
    await outcomeOf(api.get("/me", { adapter: own, session: false }));

    const [ours, bare] = members.map((names) => names.filter((name) => name !== "session"));
    expect(ours).toStrictEqual(bare);
  });

  test("sends through axios's own default adapter where a request names none", async () => {
    const { server, api } = await stage(adapter);
    server.expire();

    const answer = await api.get("/me", { adapter: null } as object);

    expect(answer.data).toMatchObject({ generation: 1 });
  });

  test("sends through the adapter that a request names", async () => {
    const { server, api } = await stage(adapter === "http" ? "fetch" : "http");
    server.expire();

    const { request } = await api.get("/me", { adapter: ["xhr", adapter] });

    expect(request instanceof Request).toBe(adapter === "fetch");
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test.each(["held", "refused"])(
    "does not count the wait of a %s request as part of its timeout",
    async (how) => {
      const { server, api, gate } = await (how === "held" ? holding(adapter) : refusing(adapter));
      server.next("/slow", { hang: "before" });
      const timeout = 150;

      const waiting = api.get("/me", { timeout });
      await gate.reached(1);
      const slow = await outcomeOf(api.get("/slow", { timeout, session: false }));
      gate.open();

      expect(slow).toHaveProperty("code", expect.stringMatching(/ECONNABORTED|ETIMEDOUT/));
      expect((await waiting).status).toBe(200);
    },
  );

  test("applies a timeout to the replay as to the first send", async () => {
    const { server, api } = await stage(adapter);
    server.expire();
    server.next("/me", {}, { hang: "before" });

    const error = await outcomeOf(api.get("/me", { timeout: 150 }));

    expect(error).toHaveProperty("code", expect.stringMatching(/ECONNABORTED|ETIMEDOUT/));
    expect(error).not.toHaveProperty("response");
    await server.when((log) => ledger(log).unanswered === 1 && !JSON.stringify(log).includes("pending"));
    expect(ledger(server.log)).toMatchObject({ refreshes: 1, requests: 2, refusals: 1 });
  });

  test("tells of progress up and down", async () => {
    const { server, api } = await stage(adapter);
    const up: number[] = [];
    const down: number[] = [];
    server.expire();

    await api.post("/me", "x".repeat(1000), {
      onUploadProgress: ({ loaded }) => up.push(loaded),
      onDownloadProgress: ({ loaded }) => down.push(loaded),
    });

    expect([up.at(-1), down.length > 0]).toStrictEqual([1000, true]);
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test("hands back the config that interceptors saw, with no field of ours, for an answer", async () => {
    const { server, api } = await stage(adapter);
    const seen: InternalAxiosRequestConfig[] = [];
    api.interceptors.request.use((config) => {
      seen.push(config);
      return config;
    });
    server.expire();

    const { config } = await api.post("/me", { a: 1 }, { headers: { "x-own": "1" } });

    expect([config === seen[0], config.adapter, config.data]).toStrictEqual([true, adapter, '{"a":1}']);
    expect({ ...config.headers.toJSON() }).toStrictEqual({
      Accept: "application/json, text/plain, */*",
      "Content-Type": "application/json",
      "x-own": "1",
    });
  });

  test("hands back the config that interceptors saw, with no field of ours, for every error", async () => {
    const { server, api } = await stage(adapter, { refreshAttempts: 1 });
    const seen: InternalAxiosRequestConfig[] = [];
    api.interceptors.request.use((config) => {
      seen.push(config);
      return config;
    });
    server.next("/me", { status: 500 }, { reset: "before" }, {}, {});
    server.next("token", { status: 503 });

    const errors = [await outcomeOf(api.get("/me")), await outcomeOf(api.get("/me"))];
    server.expire();
    errors.push(await outcomeOf(api.get("/me")));
    server.withdraw();
    errors.push(await outcomeOf(api.get("/me")));

    const configs = errors.map((error) => (error as { config: InternalAxiosRequestConfig }).config);
    expect(configs.map((config, index) => config === seen[index])).toStrictEqual(Array(4).fill(true));
    expect(configs.map(({ adapter }) => adapter)).toStrictEqual(Array(4).fill(adapter));
    expect(JSON.stringify(errors)).not.toContain("Bearer");
  });

  test("starts anew for a config that is sent again", async () => {
    const { server, api } = await stage(adapter);
    server.next("/me", { status: 500 });

    const { config } = (await outcomeOf(api.post("/me", { a: 1 }))) as { config: InternalAxiosRequestConfig };
    server.expire();
    const again = await api.request(config);

    expect(again.data).toMatchObject({ generation: 1 });
    expect(arrivals(server).map(({ body }) => text(body))).toStrictEqual(Array(3).fill('{"a":1}'));
    expect(ledger(server.log)).toStrictEqual({ ...replayedOnce, requests: 3, answers: 2 });
  });
});

/** A stage whose token is refused, and whose refresh waits for the gate. */
async function refusing(adapter: "http" | "fetch") {
  const all = await stage(adapter);
  all.server.expire();
  return { ...all, gate: all.server.gate("token") };
}

async function chunksOf(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
