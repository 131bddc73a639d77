import { getEventListeners } from "node:events";
import { createSession } from "@freshtoken/core";
import { settled } from "@freshtoken/testing";
import ky, { type KyInstance } from "ky";
import { expect, test, vi } from "vitest";
import { sessionHooks } from "../src/index.ts";

const prefix = "https://api.test";
vi.setConfig({ testTimeout: 60_000 });

const COUNT = 10_000;
// Measured: both grow by less than 0.1 MB. Sixty bytes kept of each request are more.
const SLACK = 600_000;

/** A fetch without a network, that refuses every five hundredth token it sees. */
function transport(): typeof fetch {
  let seen = 0;
  let expired = "";
  return async (input) => {
    const token = (input as Request).headers.get("authorization") ?? "";
    if (++seen % 500 === 0) expired = token;
    const status = token !== "" && token === expired ? 401 : 200;
    return new Response(`{"seen":${seen}}`, { status });
  };
}

function bareClient(): KyInstance {
  return ky.create({ prefix, fetch: transport() });
}

function hookedClient(): KyInstance {
  let issued = 0;
  const response = () => ({ access_token: `a${++issued}`, refresh_token: `r${issued}` });
  const session = createSession({ tokens: response(), refresh: async () => response(), refusalLimit: false });
  return bareClient().extend({ hooks: sessionHooks(session) });
}

/** What is there once everything that can go is gone. */
async function census() {
  for (let turn = 0; turn < 10; turn++) {
    await settled();
    globalThis.gc?.();
  }
  const heap = process.memoryUsage().heapUsed;
  const timers = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  return { heap, timers };
}

/** What so many requests with one long-lived signal leave behind, after as many as it takes to be compiled. */
async function leftBy(client: KyInstance) {
  const { signal } = new AbortController();
  const all = async (count: number) => {
    for (let sent = 0; sent < count; sent++) await client.get("me", { signal }).json();
  };
  await all(4_000);
  const before = await census();
  await all(COUNT);
  const after = await census();
  return {
    heap: after.heap - before.heap,
    timers: after.timers - before.timers,
    listeners: getEventListeners(signal, "abort").length,
  };
}

test("keeps no more of 10,000 requests with one signal than bare ky does", async () => {
  const bare = await leftBy(bareClient());
  const ours = await leftBy(hookedClient());

  expect(ours.timers).toBe(bare.timers);
  // What a Request listens with goes when the collector finds it.
  expect(ours.listeners).toBeLessThanOrEqual(bare.listeners + 10);
  expect(ours.heap - Math.max(bare.heap, 0)).toBeLessThan(SLACK);
});
