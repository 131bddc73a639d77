import { Agent } from "node:http";
import { Readable } from "node:stream";
import { ledger } from "@freshtoken/testing";
import axios, { type InternalAxiosRequestConfig } from "axios";
import { describe, expect, onTestFinished, test } from "vitest";
import { attachSession } from "../src/index.ts";
import { account, adapters, arrivals, outcomeOf, replayedOnce, stage, text } from "./support.ts";

// What the interceptor that everyone copies gets wrong: it sends `error.config` again through the instance.
describe.each(adapters)("unlike the classic recipe, through the %s adapter,", (adapter) => {
  test("runs response interceptors once for a request that is replayed", async () => {
    const { server, api } = await stage(adapter);
    const seen: number[] = [];
    api.interceptors.response.use((response) => {
      seen.push(response.status);
      return response.data;
    });
    server.expire();

    const data = await api.get("/me");

    expect(data).toMatchObject({ path: "/me", generation: 1 });
    expect(seen).toStrictEqual([200]);
  });

  test("runs request interceptors once, before and behind the session's, synchronous or not", async () => {
    const { server, session, api, detach } = await stage(adapter);
    detach();
    const runs: string[] = [];
    const noting = (name: string) => (config: InternalAxiosRequestConfig) => {
      runs.push(name);
      return config;
    };
    api.interceptors.request.use(noting("behind"), null, { synchronous: true });
    attachSession(api, session);
    api.interceptors.request.use(async (config) => noting("before")(config));
    server.expire();

    await api.get("/me");

    expect(runs).toStrictEqual(["before", "behind"]);
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test("runs the transforms of a request and of its response once", async () => {
    const { server, api } = await stage(adapter);
    const wrap = (data: unknown) => JSON.stringify({ wrapped: data });
    server.expire();

    const answer = await api.post("/me", "text", { transformRequest: [wrap], transformResponse: [wrap] });

    expect(arrivals(server).map(({ body }) => text(body))).toStrictEqual(Array(2).fill('{"wrapped":"text"}'));
    expect(JSON.parse(JSON.parse(answer.data).wrapped)).toMatchObject({ path: "/me", generation: 1 });
  });

  test("tells the length of each body as it is sent, where a response interceptor sends another", async () => {
    const { server, api } = await stage(adapter);
    server.next("/me", {}, { status: 409 });
    api.interceptors.response.use(null, (error) => {
      if (error.response?.status !== 409) throw error;
      return api.request({ ...error.config, data: JSON.stringify({ longer: "than before" }) });
    });
    server.expire();

    await api.post("/me", { a: 1 });

    expect(
      arrivals(server).map(({ body, headers }) => [text(body), headers["content-length"]]),
    ).toStrictEqual([
      ['{"a":1}', "7"],
      ['{"a":1}', "7"],
      ['{"longer":"than before"}', "24"],
    ]);
  });

  test("never sends an empty body in the place of a stream that was refused", async () => {
    const { server, api } = await stage(adapter);
    const post = () => outcomeOf(api.post("/me", streamed(adapter)));
    server.expire();

    const first = await post();
    const second = await post();

    expect(first).toMatchObject({ code: "ERR_NOT_REPLAYABLE", cause: { name: "NotReplayableError" } });
    expect(second).toMatchObject({ status: 200 });
    expect(arrivals(server).map(({ body, generation }) => [text(body), generation])).toStrictEqual([
      ["one two", 0],
      ["one two", 1],
    ]);
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test("cancels at once a request that waits", async () => {
    const { server, api } = await stage(adapter);
    const gate = server.gate("token");
    const controller = new AbortController();
    server.expire();

    const refused = outcomeOf(api.get("/me", { signal: controller.signal }));
    await gate.reached(1);
    controller.abort();

    expect(await refused).toMatchObject({ code: "ERR_CANCELED" });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, refusals: 1 }));
    gate.open();
  });

  test.each([
    ["takes all", () => true],
    ["is null", null],
  ])("replays a refusal that is no error, where validateStatus %s", async (_, validateStatus) => {
    const { server, api } = await stage(adapter);
    server.expire();

    const answer = await api.get("/me", { validateStatus });

    expect(answer).toMatchObject({ status: 200, data: { generation: 1 } });
    expect(ledger(server.log)).toStrictEqual(replayedOnce);
  });

  test.each(["before", "after"])("needs no place among error mappers that are added %s it", async (place) => {
    const { server, session, api, detach } = await stage(adapter);
    const mapped: unknown[] = [];
    const map = () =>
      api.interceptors.response.use(null, (error) => {
        mapped.push(error.response?.status);
        throw new Error("mapped");
      });
    detach();
    if (place === "before") map();
    attachSession(api, session);
    if (place === "after") map();
    server.expire();

    const answer = await api.get("/me");
    server.withdraw();
    const error = await outcomeOf(api.get("/me"));

    expect([answer.status, error, mapped]).toStrictEqual([200, new Error("mapped"), [401]]);
  });
});

test("unlike the classic recipe, gives the only socket back of a refusal that nobody reads", async () => {
  const httpAgent = new Agent({ maxSockets: 1, keepAlive: true });
  onTestFinished(() => httpAgent.destroy());
  const bare = axios.create({ httpAgent });
  const { server, listener, api } = await stage("http", {
    defaults: { httpAgent },
    refresh: ({ refreshToken, signal }) =>
      bare
        .post(
          `${listener.origin}/token`,
          new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
          { signal },
        )
        .then(({ data }) => data),
  });
  server.next("/me", { alter: () => new Response(new Uint8Array(500_000), { status: 401 }) });

  const { status, data } = await api.get("/me", { responseType: "stream" });

  data.destroy();
  expect(status).toBe(200);
  expect(ledger(server.log)).toStrictEqual(replayedOnce);
});

function streamed(adapter: string): unknown {
  const parts = ["one ", "two"];
  return adapter === "http" ? Readable.from(parts) : new Blob(parts).stream();
}
