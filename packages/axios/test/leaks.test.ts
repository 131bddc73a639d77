import { getEventListeners } from "node:events";
import { createSession } from "@freshtoken/core";
import { settled } from "@freshtoken/testing";
import axios, { AxiosError, type AxiosInstance, type InternalAxiosRequestConfig } from "axios";
import { expect, test, vi } from "vitest";
import { attachSession } from "../src/index.ts";

const baseURL = "https://api.test";
vi.setConfig({ testTimeout: 60_000 });

const COUNT = 20_000;
// Measured: both grow by less than 0.1 MB. Thirty bytes kept of each request are more.
const SLACK = 600_000;

/** An instance without a network, that refuses every five hundredth token it sees. */
function bareClient(): AxiosInstance {
  let seen = 0;
  let expired = "";
  const adapter = async (config: InternalAxiosRequestConfig) => {
    const token = config.headers.get("authorization")?.toString() ?? "";
    if (++seen % 500 === 0) expired = token;
    const status = token !== "" && token === expired ? 401 : 200;
    const response = { data: { seen }, status, statusText: "", headers: {}, config };
    if (status === 401) throw new AxiosError("refused", "ERR_BAD_REQUEST", config, undefined, response);
    return response;
  };
  return axios.create({ baseURL, adapter });
}

function attachedClient(): AxiosInstance {
  let issued = 0;
  const response = () => ({ access_token: `a${++issued}`, refresh_token: `r${issued}` });
  const session = createSession({ tokens: response(), refresh: async () => response(), refusalLimit: false });
  const client = bareClient();
  attachSession(client, session);
  return client;
}

/** What is there once everything that can go is gone. */
async function census() {
  for (let turn = 0; turn < 4; turn++) {
    await settled();
    globalThis.gc?.();
  }
  const heap = process.memoryUsage().heapUsed;
  const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  return { heap, timers };
}

/** What so many requests with one signal and one cancel token leave behind, after as many as it takes to be compiled. */
async function leftBy(client: AxiosInstance) {
  const { signal } = new AbortController();
  const { token: cancelToken } = axios.CancelToken.source();
  const all = async (count: number) => {
    for (let sent = 0; sent < count; sent++) await client.get("/me", { signal, cancelToken });
  };
  await all(5_000);
  const before = await census();
  await all(COUNT);
  const after = await census();
  // Not in axios's types.
  const { _listeners = [] } = cancelToken as { _listeners?: unknown[] };
  return {
    heap: after.heap - before.heap,
    timers: after.timers - before.timers,
    listeners: getEventListeners(signal, "abort").length,
    cancelling: _listeners?.length ?? 0,
  };
}

test("keeps no more of 20,000 requests with one signal and one cancel token than bare axios does", async () => {
  const bare = await leftBy(bareClient());
  const ours = await leftBy(attachedClient());

  expect({ ...ours, heap: 0 }).toStrictEqual({ ...bare, timers: 0, heap: 0 });
  expect(ours.heap - Math.max(bare.heap, 0)).toBeLessThan(SLACK);
});

test("keeps nothing of an instance it was attached to, nor on one it was detached from", async () => {
  const session = createSession({ tokens: { accessToken: "a0" }, refresh: async () => null });
  const client = bareClient();
  const attachAll = async (count: number) => {
    for (let times = 0; times < count; times++) {
      attachSession(bareClient(), session);
      attachSession(client, session)();
    }
  };
  await attachAll(200);
  const before = await census();

  await attachAll(2_000);

  // An ejected interceptor leaves a null in its place: axios's own.
  expect((await census()).heap - before.heap).toBeLessThan(SLACK);
});
