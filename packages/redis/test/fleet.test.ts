import { ledger } from "@freshtoken/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clients } from "./clients.ts";
import { spawnFleet } from "./fleet.ts";
import { lacksRedis, type RedisServer, startRedis } from "./redis-server.ts";

const MACHINES = 5;
const SESSIONS = 8;
const REQUESTS = 10;

let redis: RedisServer;

beforeAll(async () => {
  if (!lacksRedis) redis = await startRedis();
});
afterAll(() => redis?.close());

test.skipIf(lacksRedis).for(clients.map(([name]) => name))(
  "refreshes once per session and expiry, for five processes that share eight sessions through %s",
  { timeout: 60_000 },
  async (client) => {
    const fleet = await spawnFleet({
      port: redis.port,
      client: client as "ioredis",
      machines: MACHINES,
      sessions: SESSIONS,
      refreshTimeout: 10_000,
      lease: 15_000,
      commandTimeout: 5_000,
    });

    for (let expiry = 1; expiry <= 2; expiry++) {
      fleet.server.expire();
      expect(await fleet.burst(REQUESTS)).toStrictEqual({ 200: MACHINES * SESSIONS * REQUESTS });
      expect(ledger(fleet.server.log)).toMatchObject({ attempts: expiry * SESSIONS, reuses: 0 });
    }

    expect(fleet.violations()).toStrictEqual([]);
    await fleet.close();
  },
);
