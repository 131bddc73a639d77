import { entriesAt, ledger } from "@freshtoken/testing";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { askers, type Fleet, type FleetOptions, type MachineProcess, spawnFleet } from "./fleet.ts";
import { lacksRedis, type RedisServer, startRedis } from "./redis-server.ts";

const LEASE = 500;
const MACHINES = 3;

let redis: RedisServer;
let fleet: Fleet<MachineProcess>;

beforeAll(async () => {
  if (!lacksRedis) redis = await startRedis();
});
afterEach(() => fleet?.close());
afterAll(() => redis?.close());

/** Starts a fleet whose first machine is the one that something befalls. */
async function begin(
  options: Partial<FleetOptions> = {},
): Promise<[holder: MachineProcess, ...others: MachineProcess[]]> {
  fleet = await spawnFleet({
    port: redis.port,
    machines: MACHINES,
    lease: LEASE,
    refreshTimeout: 5_000,
    ...options,
  });
  return fleet.machines as [MachineProcess, ...MachineProcess[]];
}

const beforeSending: Partial<FleetOptions> = { each: (index) => ({ stopsBeforeSending: index === 0 }) };

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe.skipIf(lacksRedis)("a machine that has the lease", { timeout: 60_000 }, () => {
  test("is followed by another when it is killed before it has sent anything: one refresh, all answered", async () => {
    const [holder, ...others] = await begin(beforeSending);
    fleet.server.expire();
    void holder.burst(1);
    await holder.stopped();

    const answered = fleet.burst(5, others);
    await holder.kill();

    expect(await answered).toStrictEqual({ 200: 10 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, refreshes: 1 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("takes the session with it when it is killed with the only copy of the new tokens, and nothing is forgiven", async () => {
    const [holder, ...others] = await begin();
    const gate = fleet.server.gate("token", "answer");
    fleet.server.expire();
    void holder.burst(1);
    await gate.reached(1);
    await holder.kill();
    gate.open();

    const ends = await fleet.burst(5, others);

    // One has asked, and its requests get the server's own answer; the other is told.
    expect(ends).toStrictEqual({ 401: 5, ERR_SIGNED_OUT: 5 });
    expect(await Promise.all(others.map((machine) => machine.states()))).toStrictEqual(
      Array(2).fill(["signedOut"]),
    );
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 2, reuses: 1 });
  });

  test("is followed by another when it is killed with the only copy of the new tokens, and the server forgives", async () => {
    const [holder, ...others] = await begin({ server: { grace: { uses: 1 } } });
    const gate = fleet.server.gate("token", "answer");
    fleet.server.expire();
    void holder.burst(1);
    await gate.reached(1);
    await holder.kill();
    gate.open();

    expect(await fleet.burst(5, others)).toStrictEqual({ 200: 10 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 2, reuses: 0 });
  });

  test("sends nothing when it has slept for twice its lease, and goes on with what another got", async () => {
    const [holder, ...others] = await begin({
      each: (index) => (index === 0 ? { stopsBeforeSending: true, refreshTimeout: 400 } : {}),
    });
    fleet.server.expire();
    const late = holder.burst(1);
    await holder.stopped();

    holder.freeze();
    const answered = fleet.burst(5, others);
    await passed(2 * LEASE);
    holder.thaw();
    await holder.goOn();

    expect(await answered).toStrictEqual({ 200: 10 });
    await late;
    expect(await holder.burst(5)).toStrictEqual({ 200: 5 });
    expect(askers(fleet.server)).not.toContain("m0");
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1, reuses: 0 });
    expect(fleet.violations()).toStrictEqual([]);
  });

  test("overwrites nothing when it wakes up with tokens that another has renewed meanwhile", async () => {
    const [holder, ...others] = await begin({ server: { grace: { uses: 1 } } });
    const gate = fleet.server.gate("token", "answer");
    fleet.server.expire();
    const late = holder.burst(1);
    await gate.reached(1);
    holder.freeze();
    gate.step();

    const answered = fleet.burst(5, others);
    await gate.reached(1);
    gate.open();
    const ends = await answered;
    holder.thaw();

    expect([ends, await late]).toStrictEqual([{ 200: 10 }, { 200: 1 }]);
    const states = await Promise.all(fleet.machines.map((machine) => machine.states()));
    const [, second] = entriesAt(fleet.server.log, "token");
    expect(states).toStrictEqual(Array(MACHINES).fill([second?.issued?.access]));
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 2, reuses: 0 });
  });

  test("brings nothing back when it wakes up with tokens of a session that has ended meanwhile", async () => {
    const [holder, ...others] = await begin();
    const gate = fleet.server.gate("token", "answer");
    fleet.server.expire();
    const late = holder.burst(1);
    await gate.reached(1);
    holder.freeze();
    gate.open();

    const ends = await fleet.burst(5, others);
    holder.thaw();

    expect(ends).toStrictEqual({ 401: 5, ERR_SIGNED_OUT: 5 });
    expect(await late).toStrictEqual({ ERR_SIGNED_OUT: 1 });
    const states = await Promise.all(fleet.machines.map((machine) => machine.states()));
    expect(states).toStrictEqual(Array(MACHINES).fill(["signedOut"]));
  });

  test("keeps it for as long as its refresh takes, be that three leases long", async () => {
    await begin();
    const gate = fleet.server.gate("token");
    fleet.server.expire();

    const answered = fleet.burst(5);
    await gate.reached(1);
    await passed(3 * LEASE);
    gate.open();

    expect(await answered).toStrictEqual({ 200: 15 });
    expect(ledger(fleet.server.log)).toMatchObject({ attempts: 1 });
    expect(fleet.violations()).toStrictEqual([]);
  });
});
