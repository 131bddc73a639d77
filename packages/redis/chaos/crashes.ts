import { ledger, type ServerOptions } from "@freshtoken/testing";
import { type MachineProcess, spawnFleet } from "../test/fleet.ts";
import { startRedis } from "../test/redis-server.ts";
import { type Chaos, oneOf, type Work } from "./run.ts";

const windows = ["before it sends", "before the server acts", "after the server has rotated"] as const;
const LEASE = 500;

/** Kills the machine that refreshes, at a moment that chance chooses: what follows is what the table says. */
export const crashes: Work = async ({ random, say, goesOn }) => {
  const redis = await startRedis();
  const counts = new Map<string, number>();
  const violations: string[] = [];
  for (let round = 1; goesOn(); round++) {
    const window = oneOf(windows, random);
    const grace = oneOf([undefined, { uses: 1 }], random);
    const name = `${window}, ${grace ? "grace" : "no grace"}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    const wrong = await crash(redis.port, window, grace, random);
    if (wrong) violations.push(`${name}: ${wrong}`);
    if (round % 5 === 0) say(`${round} machines killed`);
  }
  await redis.close();
  const did = [...counts].map(([name, count]) => `${count} × ${name}`).sort();
  return { did: did.join("; "), violations };
};

async function crash(
  port: number,
  window: (typeof windows)[number],
  grace: ServerOptions["grace"],
  random: Chaos["random"],
): Promise<string | undefined> {
  const fleet = await spawnFleet({
    port,
    machines: 3,
    lease: LEASE,
    refreshTimeout: 10_000,
    client: oneOf(["node-redis", "ioredis"] as const, random),
    ...(grace && { server: { grace } }),
    each: (index) => ({ stopsBeforeSending: index === 0 && window === "before it sends" }),
  });
  const [holder, ...others] = fleet.machines as [MachineProcess, ...MachineProcess[]];
  const isLate = window === "after the server has rotated";
  const gate = fleet.server.gate("token", isLate ? "answer" : "request");
  fleet.server.expire();
  void holder.burst(1);
  await (window === "before it sends" ? holder.stopped() : gate.reached(1));

  const answered = fleet.burst(5, others);
  await new Promise((resolve) => setTimeout(resolve, random() * LEASE));
  await holder.kill();
  gate.open();
  const ends = await answered;

  const lives = !isLate || grace !== undefined;
  const { reuses } = ledger(fleet.server.log);
  await fleet.close();
  const isAsPredicted = lives ? ends[200] === 10 && reuses === 0 : ends[200] === undefined && reuses === 1;
  return isAsPredicted ? undefined : JSON.stringify({ ends, reuses });
}
