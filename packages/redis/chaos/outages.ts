import { ledger } from "@freshtoken/testing";
import { type Fleet, spawnFleet } from "../test/fleet.ts";
import { type RedisServer, startRedis } from "../test/redis-server.ts";
import { startSwitch } from "../test/switch.ts";
import { oneOf, type Work } from "./run.ts";

const MACHINES = 4;
const SESSIONS = 3;
const REQUESTS = 3;
// Half of it has to do for all to hear of each other again, after Redis has lost everything.
const LEASE = 6_000;

const troubles = {
  async restart({ redis }) {
    await redis.kill();
    await redis.start();
  },
  async "stop and go on"({ redis, random }) {
    redis.freeze();
    await passed(random() * 3_000);
    redis.thaw();
  },
  async "drop all connections"({ redis }) {
    await redis.command("CLIENT", "KILL", "SKIPME", "yes");
  },
  async "be slow"({ redis, random }) {
    await redis.command("DEBUG", "SLEEP", String(random()));
  },
  async "fail over to nothing"({ redis, front, spare }) {
    await spare.command("FLUSHALL");
    front.lead(spare.port);
    await passed(100);
    await redis.command("FLUSHALL");
    front.lead(redis.port);
  },
} satisfies Record<string, (scene: Scene) => Promise<void>>;

interface Scene {
  readonly redis: RedisServer;
  readonly spare: RedisServer;
  readonly front: Awaited<ReturnType<typeof startSwitch>>;
  random(): number;
}

/** Troubles Redis while a fleet refreshes: requests may fail, no refresh token is seen twice, and nobody is signed out. */
export const outages: Work = async ({ random, say, goesOn }) => {
  const counts = new Map<string, number>();
  const violations: string[] = [];
  let failed = 0;
  let answered = 0;
  while (goesOn()) {
    const [redis, spare] = await Promise.all([startRedis({ appendOnly: random() < 0.5 }), startRedis()]);
    const front = await startSwitch(redis.port);
    const client = oneOf(["node-redis", "ioredis"] as const, random);
    const options = { machines: MACHINES, sessions: SESSIONS, client, refreshAttempts: 1 };
    const fleet = await spawnFleet({ port: front.port, lease: LEASE, refreshTimeout: 5_000, ...options });
    for (let round = 0; round < 5 && goesOn(); round++) {
      const name = oneOf(Object.keys(troubles) as (keyof typeof troubles)[], random);
      counts.set(name, (counts.get(name) ?? 0) + 1);
      fleet.server.expire();
      const bursts = fleet.burst(REQUESTS);
      await passed(random() * 200);
      await troubles[name]({ redis, spare, front, random });
      const ends = await bursts;
      answered += ends[200] ?? 0;
      failed += ends.ERR_REFRESH_FAILED ?? 0;
      const others = Object.keys(ends).filter((end) => end !== "200" && end !== "ERR_REFRESH_FAILED");
      if (others.length > 0) violations.push(`${name}: ${JSON.stringify(ends)}`);
    }
    if (!(await recovers(fleet))) violations.push("requests fail on and on, though Redis is there");
    const { reuses } = ledger(fleet.server.log);
    if (reuses > 0) violations.push(`${reuses} refresh tokens were presented twice`);
    violations.push(...fleet.violations());
    say(
      `${[...counts].map(([name, count]) => `${count} × ${name}`).join(", ")}: ${answered} answered, ${failed} failed`,
    );
    await fleet.close();
    await front.close();
    await Promise.all([redis.close(), spare.close()]);
  }
  const did = [...counts].map(([name, count]) => `${count} × ${name}`).sort();
  return { did: `${did.join("; ")}: ${answered} requests answered, ${failed} failed`, violations };
};

async function recovers(fleet: Fleet): Promise<boolean> {
  for (let tries = 0; tries < 10; tries++) {
    await passed(3_000);
    const ends = await fleet.burst(1);
    if (ends[200] === MACHINES * SESSIONS) return true;
  }
  return false;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
