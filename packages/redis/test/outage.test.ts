import { entriesAt, ledger } from "@freshtoken/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Fleet, type FleetOptions, startFleet } from "./fleet.ts";
import type { Machine } from "./machine.ts";
import { lacksRedis, type RedisServer, startRedis } from "./redis-server.ts";
import { type Switch, startSwitch } from "./switch.ts";

const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function redisServer(options = {}): Promise<RedisServer> {
  const redis = await startRedis(options);
  ends.push(redis.close);
  return redis;
}

async function switchTo(redis: RedisServer): Promise<Switch> {
  const front = await startSwitch(redis.port);
  ends.push(front.close);
  return front;
}

async function fleetOn({ port }: { port: number }, options: Partial<FleetOptions> = {}): Promise<Fleet> {
  const fleet = await startFleet({ port, machines: 3, lease: 1_000, refreshTimeout: 8_000, ...options });
  ends.push(fleet.close);
  return fleet;
}

/** The first machine has its turn, the server has rotated, and Redis is out of that machine's reach. */
async function cutOff(options: Partial<FleetOptions> = {}) {
  const redis = await redisServer();
  const front = await switchTo(redis);
  const each = (index: number) => (index === 0 ? { port: front.port, commandTimeout: 50 } : {});
  const fleet = await fleetOn(redis, { lease: 500, each, ...options });
  const [holder, ...others] = fleet.machines as [Machine, ...Machine[]];
  const gate = fleet.server.gate("token", "answer");
  fleet.server.expire();
  void holder.burst(1);
  await gate.reached(1);
  front.lead(1);
  gate.open();
  return { fleet, others, reconnect: () => front.lead(redis.port) };
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe.skipIf(lacksRedis)("Redis", { timeout: 60_000 }, () => {
  test.for([
    ["that keeps all it was told", true],
    ["that keeps nothing", false],
  ] as const)("restarts during a refresh, one %s: one refresh, all answered", async ([, appendOnly]) => {
    const redis = await redisServer({ appendOnly });
    const fleet = await fleetOn(redis);
    const gate = fleet.server.gate("token");
    fleet.server.expire();
    const answered = fleet.burst(5);
    await gate.reached(1);

    await redis.kill();
    await redis.start();
    await passed(500);
    gate.open();

    expect(await answered).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("restarts with nothing in it: the machines put back what they know, and stay signed in", async () => {
    const redis = await redisServer();
    const fleet = await fleetOn(redis);
    await redis.kill();
    await redis.start();

    fleet.server.expire();

    expect(await fleet.burst(5)).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("fails over to a replica that has missed the last refresh: the newest tokens are put back, none is used twice", async () => {
    const [primary, replica] = await Promise.all([redisServer(), redisServer()]);
    const front = await switchTo(primary);
    const fleet = await fleetOn(front);
    await replica.command("REPLICAOF", "127.0.0.1", String(primary.port));
    while (!(await replica.command("INFO", "replication")).includes("master_link_status:up"))
      await passed(50);
    await replica.command("REPLICAOF", "NO", "ONE");
    fleet.server.expire();
    await fleet.burst(1);

    front.lead(replica.port);
    await primary.kill();
    fleet.server.expire();

    expect(await fleet.burst(5)).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 2, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("fails over to an empty replica during a refresh: one refresh, all answered", async () => {
    const [primary, replica] = await Promise.all([redisServer(), redisServer()]);
    const front = await switchTo(primary);
    const fleet = await fleetOn(front);
    const gate = fleet.server.gate("token");
    fleet.server.expire();
    const answered = fleet.burst(5);
    await gate.reached(1);

    front.lead(replica.port);
    await primary.kill();
    await passed(1_500);
    gate.open();

    expect(await answered).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("stops for a while: requests wait, and are answered after one refresh", async () => {
    const redis = await redisServer();
    const fleet = await fleetOn(redis, { commandTimeout: 1_000 });
    redis.freeze();
    fleet.server.expire();

    const answered = fleet.burst(5);
    await passed(700);
    redis.thaw();

    expect(await answered).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("stops for longer: refreshes fail in bounded time and nobody is signed out, until it goes on", async () => {
    const redis = await redisServer();
    const fleet = await fleetOn(redis, { commandTimeout: 100 });
    redis.freeze();

    expect(await fleet.burst(5)).toStrictEqual({ 200: 15 });
    fleet.server.expire();
    expect(await fleet.burst(5)).toStrictEqual({ ERR_REFRESH_FAILED: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 0 });

    redis.thaw();
    await passed(2_000);
    expect(await fleet.burst(5)).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("drops every connection, again and again, during a refresh: one refresh, all answered", async () => {
    const redis = await redisServer();
    const fleet = await fleetOn(redis);
    const gate = fleet.server.gate("token");
    fleet.server.expire();
    const answered = fleet.burst(5);
    await gate.reached(1);

    for (let times = 0; times < 3; times++) {
      await redis.command("CLIENT", "KILL", "SKIPME", "yes");
      await passed(100);
    }
    gate.open();
    await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");

    expect(await answered).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("is cut off from the machine that refreshes, before it has saved, and nothing is forgiven: another presents the consumed token once the lease has run out", async () => {
    const { fleet, others } = await cutOff();

    expect(await fleet.burst(5, others)).toStrictEqual({ 401: 5, ERR_SIGNED_OUT: 5 });

    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 2, reuses: 1 });
  });

  test("is cut off from the machine that refreshes, before it has saved, and the server forgives: another refreshes, and it joins the others at its next", async () => {
    const { fleet, others, reconnect } = await cutOff({ server: { grace: { uses: 1 } } });

    expect(await fleet.burst(5, others)).toStrictEqual({ 200: 10 });
    reconnect();
    await passed(1_000);
    fleet.server.expire();

    expect(await fleet.burst(5)).toStrictEqual({ 200: 15 });
    const newest = entriesAt(fleet.server.log, "token").at(-1)?.issued?.access;
    const states = async () => (await Promise.all(fleet.machines.map((each) => each.states()))).flat();
    await vi.waitFor(async () => expect(await states()).toStrictEqual([newest, newest, newest]));
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 3, reuses: 0 });
  });

  test("is slow at every step: one refresh, all answered", async () => {
    const redis = await redisServer();
    const fleet = await fleetOn(redis, { commandTimeout: 2_000 });
    fleet.server.expire();

    const answered = fleet.burst(5);
    for (let times = 0; times < 4; times++) {
      await redis.command("DEBUG", "SLEEP", "0.3");
    }

    expect(await answered).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });
});
