import { ledger } from "@freshtoken/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { startFleet } from "./fleet.ts";
import { lacksRedis } from "./redis-server.ts";
import { never, recordOf, useRedis } from "./support.ts";

const desk = useRedis();

/** The section as a session uses it whose refresh fails: it looks, and has nothing to save. */
async function failingIn(store: Awaited<ReturnType<typeof desk.open>>): Promise<void> {
  await store.exclusive(async () => void (await store.load()), never);
}

beforeEach(async () => {
  if (!lacksRedis) await desk.redis.command("FLUSHALL");
});

describe.skipIf(lacksRedis)("after a refresh that failed", { timeout: 60_000 }, () => {
  test("a fleet asks once in each step of the back-off, however many machines it has", async () => {
    const fleet = await startFleet({ port: desk.redis.port, machines: 6 });
    fleet.server.always("token", { status: 503 });
    fleet.server.expire();

    expect(await fleet.burst(2)).toStrictEqual({ ERR_REFRESH_FAILED: 12 });

    // Each on its own would ask three times.
    expect(ledger(fleet.server.log).attempts).toBeLessThanOrEqual(5);
    await fleet.close();
  });

  test("a fleet goes on as soon as one gets through, and nobody is signed out", async () => {
    const fleet = await startFleet({ port: desk.redis.port, machines: 4 });
    fleet.server.next("token", { status: 503, times: 2 });
    fleet.server.expire();

    expect(await fleet.burst(2)).toStrictEqual({ 200: 8 });

    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 3, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
    await fleet.close();
  });

  test("nobody rests after one that did not", async () => {
    const fleet = await startFleet({ port: desk.redis.port, machines: 4, sessions: 3 });

    for (let expiry = 0; expiry < 3; expiry++) {
      fleet.server.expire();
      expect(await fleet.burst(2)).toStrictEqual({ 200: 24 });
    }

    // Those who had waited leave last, and whoever fails there is counted.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const script =
      "local n = 0 for _, key in ipairs(redis.call('KEYS', '*')) do n = n + redis.call('HEXISTS', key, 'cooling') end return n";
    expect(await desk.redis.command("EVAL", script, "0")).toBe(":0\r\n");
    await fleet.close();
  });

  test("says for how long there is no use in trying, where that is too long to wait", async () => {
    const id = desk.id();
    const [one, other] = [await desk.open({ id }), await desk.open({ id })];
    one.subscribe(() => {});
    await one.save(recordOf(0));
    for (let failures = 0; failures < 3; failures++) await failingIn(one);
    await failingIn(one).catch(() => {});

    const refused = other.exclusive(async () => {}, never);

    await expect(refused).rejects.toThrow(
      /^The last refreshes of this session have failed, .* begin in \d+ ms$/,
    );
  });

  test("nobody waits once another has saved", async () => {
    const id = desk.id();
    const [one, other] = [await desk.open({ id }), await desk.open({ id })];
    one.subscribe(() => {});
    await one.save(recordOf(0));
    for (let failures = 0; failures < 3; failures++) await failingIn(one);

    await other.save(recordOf(1), recordOf(0));

    expect(await other.exclusive(async () => "at once", never)).toBe("at once");
  });
});
