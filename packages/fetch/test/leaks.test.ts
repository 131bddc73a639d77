import { getEventListeners } from "node:events";
import { createSession } from "@freshtoken/core";
import { settled } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import { sessionFetch } from "../src/index.ts";

const URL = "https://api.test/me";
vi.setConfig({ testTimeout: 60_000 });

const COUNT = 20_000;
// Measured: both grow by less than 0.1 MB. Thirty bytes kept of each request are more.
const SLACK = 600_000;

/** A fetch without a network, that refuses every five hundredth token it sees. */
function transport() {
  let seen = 0;
  let expired = "";
  return async (_: unknown, init?: RequestInit) => {
    const token = new Headers(init?.headers).get("authorization") ?? "";
    if (++seen % 500 === 0) expired = token;
    const status = token !== "" && token === expired ? 401 : 200;
    return new Response(`{"seen":${seen}}`, { status });
  };
}

function authorized(): typeof fetch {
  let issued = 0;
  const response = () => ({ access_token: `a${++issued}`, refresh_token: `r${issued}` });
  const session = createSession({ tokens: response(), refresh: async () => response(), refusalLimit: false });
  return sessionFetch(session, { origins: [URL.slice(0, -3)], fetch: transport() });
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

/** What so many requests with one long-lived signal leave behind, after as many as it takes to be compiled. */
async function leftBy(send: typeof fetch) {
  const { signal } = new AbortController();
  const all = async (count: number) => {
    for (let sent = 0; sent < count; sent++) await (await send(URL, { signal })).text();
  };
  await all(5_000);
  const before = await census();
  await all(COUNT);
  const after = await census();
  return {
    heap: after.heap - before.heap,
    timers: after.timers - before.timers,
    listeners: getEventListeners(signal, "abort").length,
  };
}

test("keeps no more of 20,000 requests with one signal than the bare fetch does", async () => {
  const bare = await leftBy(transport());
  const ours = await leftBy(authorized());

  expect({ ...ours, heap: 0 }).toStrictEqual({ timers: 0, listeners: bare.listeners, heap: 0 });
  expect(ours.heap - Math.max(bare.heap, 0)).toBeLessThan(SLACK);
});

test("keeps nothing of requests that were held, with one signal", async () => {
  let issued = 0;
  let isExpired = false;
  const tokens = () => ({ accessToken: `a${++issued}`, expiresAt: Date.now() + (isExpired ? 3_600_000 : 0) });
  const session = createSession({
    tokens: tokens(),
    refresh: async () => tokens(),
  });
  isExpired = true;
  const send = sessionFetch(session, { origins: [URL.slice(0, -3)], fetch: transport() });
  const { signal } = new AbortController();

  const held = Array.from({ length: 1_000 }, () => send(URL, { signal }));
  const during = getEventListeners(signal, "abort").length;
  await Promise.all(held);

  expect([during, getEventListeners(signal, "abort").length]).toStrictEqual([1, 0]);
});
