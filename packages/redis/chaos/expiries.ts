import { ledger } from "@freshtoken/testing";
import { askers, spawnFleet } from "../test/fleet.ts";
import { startRedis } from "../test/redis-server.ts";
import type { Work } from "./run.ts";

const MACHINES = 10;
const SESSIONS = 20;
const REQUESTS = 100;
const ONE_BY_ONE = ["node-redis", "ioredis"] as const;
// The log of an authorization server is kept whole.
const MOST = 3;

/** Ten processes share twenty sessions, and send a hundred requests for each at every expiry. */
export const expiries: Work = async ({ random, say, goesOn }) => {
  const violations: string[] = [];
  let count = 0;
  let scripts = 0;
  const holders = new Set<string | undefined>();
  const first = Math.round(random());
  for (let fleets = 0; fleets === 0 || goesOn(); fleets++) {
    const redis = await startRedis();
    const client = ONE_BY_ONE[(first + fleets) % 2];
    const sizes = { machines: MACHINES, sessions: SESSIONS, client };
    // The deadlines that a session has by default are short for forty thousand requests on two cores.
    const patience = { lease: 60_000, refreshTimeout: 50_000, commandTimeout: 20_000 };
    const fleet = await spawnFleet({ port: redis.port, ...sizes, ...patience });
    for (let expiry = 1; expiry <= MOST && (expiry === 1 || goesOn()); expiry++, count++) {
      await redis.command("CONFIG", "RESETSTAT");
      fleet.server.expire();
      const ends = await fleet.burst(REQUESTS);
      const { attempts, reuses } = ledger(fleet.server.log);
      const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.command("INFO", "commandstats"))?.[1];
      scripts += Number(calls);
      say(
        `${client}, expiry ${expiry}: ${attempts} refreshes so far, ${calls} scripts, ${JSON.stringify(ends)}`,
      );
      if (ends[200] !== MACHINES * SESSIONS * REQUESTS)
        violations.push(`not all answered: ${JSON.stringify(ends)}`);
      if (attempts !== expiry * SESSIONS || reuses > 0)
        violations.push(`${attempts} refreshes at ${expiry} expiries`);
    }
    for (const asker of askers(fleet.server)) holders.add(asker);
    violations.push(...fleet.violations());
    await fleet.close();
    await redis.close();
  }
  const perSession = (scripts / (count * SESSIONS)).toFixed(1);
  const did = `${count} expiries × ${SESSIONS} sessions × ${MACHINES} processes × ${REQUESTS} requests: ${count * SESSIONS} refreshes by ${holders.size} of them; ${perSession} round trips for each refresh, of all ${MACHINES} together`;
  return { did, violations };
};
