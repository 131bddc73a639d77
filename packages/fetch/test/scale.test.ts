import { bearer, createSession } from "@freshtoken/core";
import { createClock, createGate, settled } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { sessionFetch } from "../src/index.ts";

const ORIGIN = "https://api.test";

/** A session that holds: its token is stale, and its refresh waits at a gate. Everything it asks for is counted. */
async function holding() {
  const counts = { clock: 0, fields: 0, sends: 0, listeners: 0, refreshes: 0 };
  const counted =
    <A extends unknown[], R>(name: keyof typeof counts, work: (...of: A) => R) =>
    (...of: A) => {
      counts[name]++;
      return work(...of);
    };
  const clock = createClock();
  const gate = createGate();
  const scheme = bearer();
  const tokens = (name: string) => ({
    accessToken: name,
    expiresAt: clock.now() + 60_000,
    issuedAt: clock.now(),
  });
  const { signal } = new AbortController();
  signal.addEventListener = counted("listeners", signal.addEventListener.bind(signal));
  const session = createSession({
    tokens: tokens("a0"),
    refresh: counted("refreshes", async () => {
      await gate.pass();
      return tokens("a1");
    }),
    clock: { ...clock, now: counted("clock", clock.now) },
    scheme: { ...scheme, fields: counted("fields", scheme.fields) },
  });
  const answer = new Response();
  const send = counted("sends", async () => answer);
  await session.tokens();
  clock.jump(60_000);
  return {
    session,
    counts,
    gate,
    signal,
    authorized: sessionFetch(session, { fetch: send, origins: [ORIGIN] }),
  };
}

/** Holds so many requests and answers them all. Returns how often what was asked for. */
async function settle(count: number) {
  const { counts, gate, signal, authorized } = await holding();
  const held = Array.from({ length: count }, () => authorized(ORIGIN, { signal }));
  await gate.reached(1);
  gate.open();
  const statuses = (await Promise.all(held)).map(({ status }) => status);
  expect([...new Set(statuses)]).toStrictEqual([200]);
  return counts;
}

test("settles 100,000 held requests in work that grows in proportion", async () => {
  const few = await settle(10_000);
  const many = await settle(100_000);

  expect({ ...many, clock: 0 }).toStrictEqual({
    ...{ clock: 0, listeners: 1, refreshes: 1 },
    ...{ fields: 100_000, sends: 100_000 },
  });
  expect(many.clock).toBeLessThanOrEqual(10 * few.clock);
});

test("aborts 100,000 held requests that share a signal, and keeps nothing of them", async () => {
  const { counts, gate, session, authorized } = await holding();
  const controller = new AbortController();

  const held = Array.from({ length: 100_000 }, () => authorized(ORIGIN, { signal: controller.signal }));
  const outcomes = Promise.allSettled(held);
  controller.abort("enough");

  expect(new Set((await outcomes).map((outcome) => "reason" in outcome && outcome.reason))).toStrictEqual(
    new Set(["enough"]),
  );
  gate.open();
  expect(await session.tokens()).toMatchObject({ accessToken: "a1" });
  expect(counts.sends).toBe(0);
});

test("gives the heap back when 100,000 held requests are answered", async () => {
  const { gate, session, authorized } = await holding();
  const before = await heap();

  let held: Promise<Response>[] = Array.from({ length: 100_000 }, () => authorized(ORIGIN));
  await gate.reached(1);
  const during = await heap();
  gate.open();
  await Promise.all(held);
  held = [];
  const after = await heap();

  expect(session.state).toMatchObject({ status: "signedIn" });
  expect(during - before).toBeGreaterThan(20 * 2 ** 20);
  expect(after - before).toBeLessThan(2 * 2 ** 20);
});

/** What the heap holds when everything that can go is gone. */
async function heap(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await settled();
    globalThis.gc?.();
  }
  return process.memoryUsage().heapUsed;
}
