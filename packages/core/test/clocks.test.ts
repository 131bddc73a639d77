import type { SessionOptions } from "@freshtoken/core";
import { createServer, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, type ManualClock, sessionOn, settled } from "./support.ts";

type Age = "fresh" | "ageing" | "stale";

/** How a session takes a token that has so much of its lifetime left, told by what one request sets off. */
async function ageOf(
  left: number,
  lifetime: number | undefined,
  options: Partial<SessionOptions> = {},
): Promise<Age> {
  const [server, clock] = [createServer(), createClock()];
  const expiresAt = clock.now() + left;
  const issuedAt = lifetime === undefined ? clock.now() - 1e9 : expiresAt - lifetime;
  const { access_token: accessToken, refresh_token: refreshToken } = server.signIn();
  const { session } = sessionOn(server, { clock, ...options });
  await session.signIn({ accessToken, refreshToken, expiresAt, issuedAt });
  await clientOf(session, server)("/me");
  await settled();
  if (ledger(server.log).attempts === 0) return "fresh";
  return server.log[1]?.at === "resource" ? "ageing" : "stale";
}

const HOUR = 3_600_000;

test.each<[string, number, number, Age]>([
  ["an hour, 5 s left", 5000, HOUR, "ageing"],
  ["an hour, a ms less", 4999, HOUR, "stale"],
  ["an hour, 60 s left", 60_000, HOUR, "fresh"],
  ["an hour, a ms less", 59_999, HOUR, "ageing"],
  ["an hour, expired", -1, HOUR, "stale"],
  ["an hour, expires now", 0, HOUR, "stale"],
  ["20 s, a twentieth left", 1000, 20_000, "ageing"],
  ["20 s, a ms less", 999, 20_000, "stale"],
  ["20 s, a quarter left", 5000, 20_000, "fresh"],
  ["20 s, a ms less", 4999, 20_000, "ageing"],
  ["100 s, 5 s left", 5000, 100_000, "ageing"],
  ["100 s, a ms less", 4999, 100_000, "stale"],
  ["240 s, 60 s left", 60_000, 240_000, "fresh"],
  ["240 s, a ms less", 59_999, 240_000, "ageing"],
])("judges by what is left of the lifetime: %s", async (_, left, lifetime, age) => {
  expect(await ageOf(left, lifetime)).toBe(age);
});

test.each<[string, Partial<SessionOptions>, number, Age]>([
  ["leeway 0, 1 ms left", { leeway: 0, refreshAhead: false }, 1, "fresh"],
  ["leeway 0, expires now", { leeway: 0, refreshAhead: false }, 0, "fresh"],
  ["leeway 0, expired", { leeway: 0, refreshAhead: false }, -1, "stale"],
  ["leeway 30 s, 29 s left", { leeway: 30_000 }, 29_000, "stale"],
  ["refreshAhead false, 6 s left", { refreshAhead: false }, 6000, "fresh"],
  ["refreshAhead 0, 6 s left", { refreshAhead: 0 }, 6000, "fresh"],
  ["refreshAhead 10 min, 9 min left", { refreshAhead: 600_000 }, 540_000, "ageing"],
])("judges by the options: %s", async (_, options, left, age) => {
  expect(await ageOf(left, HOUR, options)).toBe(age);
});

test("never refreshes preemptively a token whose expiry is unknown", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());

  await clock.advance(1000 * HOUR);
  await clientOf(session, server)("/me");

  expect(ledger(server.log)).toMatchObject({ attempts: 0, answers: 1 });
});

/** A session with a token of an hour, and its server on the same clock. */
async function hourly(): Promise<{
  server: ReturnType<typeof createServer>;
  clock: ManualClock;
  api: ReturnType<typeof clientOf>;
  session: ReturnType<typeof sessionOn>["session"];
}> {
  const clock = createClock();
  const server = createServer({ expiresIn: 3600, now: clock.now });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  return { server, clock, session, api: clientOf(session, server) };
}

test("sets no timer for an expiry", async () => {
  const { server, clock, api } = await hourly();
  await api("/me");

  await clock.advance(HOUR);

  expect(clock.timers).toStrictEqual({ all: 0, keepAlive: 0 });
  expect(ledger(server.log).attempts).toBe(0);
});

test.each([
  ["a sleep of a week", 168 * HOUR],
  ["a clock set forward by a year", 8760 * HOUR],
])("is cost one refresh by %s", async (_, ms) => {
  const { server, clock, api } = await hourly();

  clock.jump(ms);
  const answers = await Promise.all([api("/1"), api("/2"), api("/3")]);

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, refusals: 0, reuses: 0 });
});

test("costs one refresh at most when the clock is set back", async () => {
  const { server, clock, api } = await hourly();

  clock.jump(-24 * HOUR);
  await api("/1");
  server.expire();
  const answers = await Promise.all([api("/2"), api("/3")]);

  expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
});

test("is not prolonged in its cool-down by a clock set back", async () => {
  const { server, clock, session, api } = await hourly();
  server.next("token", { status: 429, retryAfter: 3600 });
  await session.refresh().catch(() => {});
  server.expire();
  const during = await api("/1").catch(({ code }) => code);

  clock.jump(-HOUR);

  expect([during, (await api("/2")).status]).toStrictEqual(["ERR_REFRESH_FAILED", 200]);
});

test("is not prolonged in its refusal window by a clock set back", async () => {
  const { server, clock, api } = await hourly();
  for (let round = 0; round < 6; round++) {
    server.expire();
    await api(`/${round}`);
  }
  const before = ledger(server.log).attempts;

  clock.jump(-HOUR);
  const answer = await api("/after");

  expect([before, answer.status]).toStrictEqual([5, 200]);
});

test("ends its cool-down at the time it says", async () => {
  const { server, clock, session, api } = await hourly();
  server.next("token", { error: "invalid_scope" });
  await session.refresh().catch(() => {});
  server.expire();
  await clock.advance(999);
  const before = await api("/1").catch(({ code, retryAt }) => [code, retryAt]);

  await clock.advance(1);

  expect(before).toStrictEqual(["ERR_REFRESH_FAILED", clock.now()]);
  expect((await api("/2")).status).toBe(200);
});
