import { readFile } from "node:fs/promises";
import type { SessionStore } from "@freshtoken/core";
import { createClock, createGate, type Gate } from "@freshtoken/testing";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { describe, expect, test, vi } from "vitest";
import { type RedisConnection, redisStore } from "../src/index.ts";
import { clients, speakingResp2 } from "./clients.ts";
import { lacksRedis } from "./redis-server.ts";
import { never, observed, outcomeOf, recordOf, useRedis } from "./support.ts";
import { startSwitch } from "./switch.ts";

const desk = useRedis();

/** A connection that never answers. */
const silent: RedisConnection = { send: () => new Promise(() => {}), subscribe: () => new Promise(() => {}) };

/** Fails commands in a way of its own, so many times, before or after Redis has them. */
function failing(connection: RedisConnection, times: number, after = false): RedisConnection {
  let failures = 0;
  return {
    ...connection,
    async send(command, options) {
      if (failures++ >= times) return connection.send(command, options);
      if (after) await connection.send(command, options);
      throw new Error("Socket closed unexpectedly");
    },
  };
}

/** A connection that lets the first command pass only through a gate, before Redis has it or after. */
function holding(connection: RedisConnection, gate: Gate, before: boolean): RedisConnection {
  let commands = 0;
  return {
    ...connection,
    async send(command, options) {
      if (commands++ > 0) return connection.send(command, options);
      if (before) await gate.pass();
      const reply = await connection.send(command, never);
      if (!before) await gate.pass();
      return reply;
    },
  };
}

/** Enters and leaves the section: then Redis knows the scripts, and each command is sent once. */
async function prime(id: string): Promise<Required<SessionStore>> {
  const store = await desk.open({ id });
  await store.exclusive(async () => {}, never);
  return store;
}

/** One enters the section, and then another wants to: in which order they leave it. */
async function contested(
  one: Required<SessionStore>,
  other: Required<SessionStore>,
  meanwhile: (entered: Promise<void>) => Promise<void>,
): Promise<string[]> {
  const order: string[] = [];
  const inside = createGate();
  const left = one.exclusive(() => inside.pass().then(() => order.push("one")), never);
  await meanwhile(inside.reached(1));
  await inside.reached(1);
  const next = other.exclusive(async () => order.push("other"), never);
  await passed(100);
  inside.open();
  await Promise.all([left, next]);
  return order;
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function lose(): Promise<void> {
  await desk.redis.command("FLUSHALL");
}

describe.skipIf(lacksRedis)("what Redis has lost", () => {
  test("is put back by whoever knows it", async () => {
    const id = desk.id();
    const store = await desk.open({ id });
    await store.save(recordOf(0));

    await lose();

    expect(await store.load()).toStrictEqual(recordOf(0));
    expect(await (await desk.open({ id })).load()).toStrictEqual(recordOf(0));
  });

  test("is brought to who joined before it was put back", async () => {
    const id = desk.id();
    const store = await desk.open({ id });
    await store.save(recordOf(0));
    await lose();
    const joined = await desk.open({ id });
    let hints = 0;
    joined.subscribe(() => void hints++);
    await vi.waitFor(() => expect(hints).toBe(1));
    const before = await joined.load();

    await store.load();

    await vi.waitFor(() => expect(hints).toBe(2));
    expect([before, await joined.load()]).toStrictEqual([null, recordOf(0)]);
  });

  test("is put back by whoever knows the later generation, over an earlier one", async () => {
    const id = desk.id();
    const [late, early] = [await desk.open({ id }), await desk.open({ id })];
    await late.save(recordOf(0));
    await early.load();
    await late.save(recordOf(1), recordOf(0));
    await lose();

    const before = await early.load();
    const after = await late.load();

    expect([before, after, await early.load()]).toStrictEqual([recordOf(0), recordOf(1), recordOf(1)]);
  });

  test("is not put back over a sign-out", async () => {
    const id = desk.id();
    const [one, other] = [await desk.open({ id }), await desk.open({ id })];
    await one.save(recordOf(0));
    await other.load();

    await one.save(null);

    expect([await other.load(), await one.load()]).toStrictEqual([null, null]);
  });

  test("is not put back over another sign-in", async () => {
    const id = desk.id();
    const [one, other] = [await desk.open({ id }), await desk.open({ id })];
    await one.save(recordOf(5));
    await lose();
    await other.save({ ...recordOf(0), family: "g" });

    expect(await one.load()).toStrictEqual({ ...recordOf(0), family: "g" });
  });

  test("is not put back by who has signed out, be that heard or not", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    let isDown = false;
    const store = redisStore({
      client: { ...connection, send: (...sent) => (isDown ? silent : connection).send(...sent) },
      id,
      commandTimeout: 20,
    });
    await store.save(recordOf(0));
    isDown = true;
    await expect(store.save(null)).rejects.toThrow();
    isDown = false;

    await lose();

    expect(await store.load()).toBeNull();
  });

  test("is written over as if it were still there", async () => {
    const id = desk.id();
    const store = await desk.open({ id });
    await store.save(recordOf(0));

    await lose();

    expect(await store.save(recordOf(1), recordOf(0))).toBe(true);
    expect(await (await desk.open({ id })).load()).toStrictEqual(recordOf(1));
  });

  test("is not written over by who only heard of it elsewhere", async () => {
    const store = await desk.open({ id: desk.id() });

    expect(await store.save(recordOf(1), recordOf(0))).toBe(false);
  });

  test("keeps others out for half a lease, in which whoever was at it comes forward", async () => {
    const id = desk.id();
    const [holder, other] = [await desk.open({ id, lease: 800 }), await desk.open({ id, lease: 800 })];
    await holder.save(recordOf(0));
    await other.load();
    const gate = createGate();
    const order: string[] = [];
    const held = holder.exclusive(() => gate.pass().then(() => order.push("holder")), never);
    await gate.reached(1);

    await lose();
    const entered = other.exclusive(async () => order.push("other"), never);
    await passed(1_000);
    gate.open();
    await Promise.all([held, entered]);

    expect(order).toStrictEqual(["holder", "other"]);
  });
});

describe.skipIf(lacksRedis)("who is in the section", () => {
  test("keeps others out for as long as its task runs, be that two leases long", async () => {
    const id = desk.id();
    const [one, other] = [await desk.open({ id, lease: 600 }), await desk.open({ id, lease: 600 })];
    const order: string[] = [];
    const gate = createGate();
    const held = one.exclusive(() => gate.pass().then(() => order.push("one")), never);
    await gate.reached(1);

    const entered = other.exclusive(async () => order.push("other"), never);
    await passed(1_200);
    gate.open();
    await Promise.all([held, entered]);

    expect(order).toStrictEqual(["one", "other"]);
  });

  test("is out of it as soon as it hears that another has its lease, while its task runs on", async () => {
    const id = desk.id();
    const clock = createClock();
    const store = await desk.open({ id, prefix: "robbed:", clock });
    const gate = createGate();
    const ended: string[] = [];
    const entered = outcomeOf(() =>
      store.exclusive(() => gate.pass().then(() => ended.push("later")), never),
    );
    await gate.reached(1);

    const rob = "redis.call('HSET', redis.call('KEYS', 'robbed:*')[1], 'owner', 'another', 'fence', '0')";
    await desk.redis.command("EVAL", rob, "0");
    await clock.advance(5_000);

    expect(await entered).toMatchObject({ name: "LeaseError" });
    expect(ended).toStrictEqual([]);
    gate.open();
    await vi.waitFor(() => expect(ended).toStrictEqual(["later"]));
  });

  test("is out of it when Redis has not confirmed its lease for the length of one, and lets it go no more", async () => {
    const id = desk.id();
    const connection = observed(await desk.connect());
    let isDown = false;
    const client: RedisConnection = {
      ...connection,
      send: (...sent) => (isDown ? silent : connection).send(...sent),
    };
    const store = redisStore({ client, id, lease: 600, commandTimeout: 100 });

    const entered = store.exclusive(() => {
      isDown = true;
      return new Promise(() => {});
    }, never);
    await expect(entered).rejects.toMatchObject({ name: "LeaseError" });
    isDown = false;

    expect(await store.exclusive(async () => "inside", never)).toBe("inside");
    await passed(300);
    expect(connection.sent.filter((each) => each === "freed")).toHaveLength(1);
  });

  test("stays in it where one sign in the length of a lease is confirmed", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    let commands = 0;
    // Two of three are lost.
    const client: RedisConnection = {
      ...connection,
      send: (...sent) => (++commands % 3 === 1 ? connection : silent).send(...sent),
    };
    await prime(id);
    const store = redisStore({ client, id, lease: 2_000, commandTimeout: 150 });

    expect(await store.exclusive(() => passed(4_000).then(() => "inside"), never)).toBe("inside");
  });

  test("is followed by who began to listen while it left, though that heard nothing", async () => {
    const id = desk.id();
    const clock = createClock();
    const connection = await desk.connect();
    const [held, listening] = [createGate(), createGate()];
    const late: RedisConnection = {
      ...connection,
      subscribe: (...args) => listening.pass().then(() => connection.subscribe(...args)),
    };
    const [holder, waiter] = [await desk.open({ id }), redisStore({ client: late, id, clock })];
    const left = holder.exclusive(() => held.pass(), never);
    await held.reached(1);

    let isInside = false;
    const entered = waiter.exclusive(async () => {
      isInside = true;
    }, never);
    await listening.reached(1);
    held.open();
    await left;
    listening.open();

    // No time passes in which it would look again by itself.
    await vi.waitFor(async () => {
      await clock.advance(0);
      expect(isInside).toBe(true);
    });
    await entered;
  });
});

describe.skipIf(lacksRedis)("a command", () => {
  test("that gets no answer fails at its deadline, and says so", async () => {
    const store = redisStore({ client: silent, id: "a", commandTimeout: 20 });
    const late = new Error("Redis did not answer within 20 ms");

    expect(await outcomeOf(async () => store.load())).toMatchObject({
      name: "UnreachableError",
      message: late.message,
    });
    await expect(store.save(recordOf(0))).rejects.toThrow(late.message);
    await expect(store.exclusive(async () => {}, never)).rejects.toThrow(late.message);
  });

  test("that cannot be sent is sent three times, and no more", async () => {
    let sent = 0;
    const down = async () => {
      sent++;
      throw Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
    };
    const store = redisStore({ client: { ...silent, send: down }, id: "a" });

    const error = await outcomeOf(async () => store.load());

    expect(error).toMatchObject({
      message: "Redis could not be reached: connect ECONNREFUSED 127.0.0.1:1",
      code: "ECONNREFUSED",
    });
    expect(sent).toBe(3);
  });

  test("that Redis refuses is sent once, and says why", async () => {
    const id = desk.id();
    const connection = observed(await desk.connect());
    const store = redisStore({ client: connection, id });
    await store.save(recordOf(0));
    await desk.redis.command(
      "EVAL",
      "for _, key in ipairs(redis.call('KEYS', '*')) do redis.call('SET', key, '') end",
      "0",
    );
    connection.sent.length = 0;

    await expect(store.load()).rejects.toThrow(/^Redis refused the command: WRONGTYPE /);

    expect(connection.sent.length).toBeLessThanOrEqual(2);
    await lose();
  });

  test("that is lost on its way is sent again", async () => {
    const store = redisStore({ client: failing(await desk.connect(), 2), id: desk.id() });

    expect(await store.save(recordOf(0))).toBe(true);
  });

  test("that is sent twice is as good as sent once", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    await redisStore({ client: connection, id }).save(recordOf(0));
    // The scripts are known by now: what fails below has been carried out.
    await redisStore({ client: connection, id }).exclusive(async () => {}, never);

    const store = redisStore({ client: failing(connection, 1, true), id });
    const other = redisStore({ client: failing(connection, 1, true), id });

    expect(await store.save(recordOf(1), recordOf(0))).toBe(true);
    expect(await other.exclusive(async () => "inside", never)).toBe("inside");
  });

  test("for the lease, sent twice, has one lease, also where the first is carried out while the task runs", async () => {
    const id = desk.id();
    const other = await prime(id);
    const first = createGate();
    const client = holding(await desk.connect(), first, true);
    const store = redisStore({ client, id, commandTimeout: 50 });

    const order = await contested(store, other, async (entered) => {
      await entered;
      first.open();
      await passed(100);
    });

    expect(order).toStrictEqual(["one", "other"]);
  });

  test("for the lease, sent twice, keeps the one that both have, though the first answers before the second", async () => {
    const id = desk.id();
    const other = await prime(id);
    const first = createGate();
    const held = holding(await desk.connect(), first, false);
    const client: RedisConnection = {
      ...held,
      async send(command, options) {
        const reply = await held.send(command, options);
        if (first.waiting > 0) {
          first.open();
          await passed(20);
        }
        return reply;
      },
    };
    const store = redisStore({ client, id, commandTimeout: 50 });

    expect(await contested(store, other, (entered) => entered)).toStrictEqual(["one", "other"]);
  });

  test.for([
    ["its task has ended", false],
    ["it was given up", true],
  ] as const)("for the lease, carried out after %s, leaves none behind", async ([, isCutOff]) => {
    const id = desk.id();
    const other = await prime(id);
    const gate = createGate();
    const held = holding(await desk.connect(), gate, true);
    const client: RedisConnection = {
      ...held,
      send: (...sent) => (isCutOff && gate.waiting > 0 ? silent : held).send(...sent),
    };
    await outcomeOf(() => redisStore({ client, id, commandTimeout: 50 }).exclusive(async () => {}, never));

    gate.open();
    await passed(100);

    // The lease would last for 15 s.
    expect(await other.exclusive(async () => "inside", never)).toBe("inside");
  });

  test("for the lease, answered when nobody waits for it any more, takes nothing from the next", async () => {
    const id = desk.id();
    const other = await prime(id);
    const first = createGate();
    const store = redisStore({ client: holding(await desk.connect(), first, false), id });
    const controller = new AbortController();
    const givenUp = outcomeOf(() => store.exclusive(async () => "inside", controller));
    await first.reached(1);
    controller.abort("too late");
    await givenUp;

    const order = await contested(store, other, async () => {
      await passed(100);
      first.open();
    });

    expect(order).toStrictEqual(["one", "other"]);
  });

  test("for the lease, carried out too late to be of use, gives the lease back and is sent anew", async () => {
    const id = desk.id();
    await prime(id);
    const gate = createGate();
    const connection = observed(await desk.connect());
    const store = redisStore({ client: holding(connection, gate, true), id, lease: 100 });

    const entered = store.exclusive(async () => "inside", never);
    await gate.reached(1);
    await passed(110);
    gate.open();

    expect(await entered).toBe("inside");
    expect(connection.sent.filter((each) => each === "freed")).toStrictEqual(["freed", "freed"]);
  });

  test.for(clients)(
    "that was given up is not sent when the connection is back, on %s",
    async ([, connect]) => {
      const id = desk.id();
      const front = await startSwitch(desk.redis.port);
      const { client, close } = await connect(front.port);
      const [store, other] = [redisStore({ client, id, commandTimeout: 50 }), await desk.open({ id })];
      await store.save(recordOf(0));

      front.lead(1);
      await expect(store.save(null)).rejects.toThrow(/^Redis/);
      await other.save(recordOf(1));
      front.lead(desk.redis.port);

      await vi.waitFor(async () => expect(await store.load()).toStrictEqual(recordOf(1)), 5_000);
      close();
      await front.close();
    },
  );

  test("waits for a client of ioredis that is still to connect", async () => {
    const options = { host: "127.0.0.1", port: desk.redis.port };
    const [begun, lazy] = [new Redis(options), new Redis({ ...options, lazyConnect: true })];

    const loaded = [begun, lazy].map(async (client) => redisStore({ client, id: desk.id() }).load());

    expect(await Promise.all(loaded)).toStrictEqual([null, null]);
    for (const client of [begun, lazy]) client.disconnect();
  });

  test("for the lease, answered when nobody waits for it any more, gives the lease back", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    const gate = createGate();
    const slow: RedisConnection = {
      ...connection,
      async send(command, options) {
        const reply = await connection.send(command, options);
        await gate.pass();
        return reply;
      },
    };
    const store = redisStore({ client: slow, id });
    const controller = new AbortController();
    const entered = outcomeOf(() => store.exclusive(async () => "inside", controller));
    await gate.reached(1);

    controller.abort("too late");
    gate.open();

    expect(await entered).toBe("too late");
    // The lease would last for 15 s.
    expect(await (await desk.open({ id })).exclusive(async () => "inside", never)).toBe("inside");
  });

  test("for the lease, answered after the lease has run out, is asked anew", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    const other = await desk.open({ id, lease: 5_000 });
    const order: string[] = [];
    let isFirst = true;
    const gate = createGate();
    const sleeping: RedisConnection = {
      ...connection,
      async send(command, options) {
        const reply = await connection.send(command, options);
        const [outcome] = reply as string[];
        if (outcome === "leased" && isFirst) {
          isFirst = false;
          await new Promise((resolve) => setTimeout(resolve, 150));
          void other.exclusive(() => gate.pass().then(() => order.push("other")), never);
          await gate.reached(1);
        }
        return reply;
      },
    };
    const store = redisStore({ client: sleeping, id, lease: 100 });

    const entered = store.exclusive(async () => order.push("sleeper"), never);
    await gate.reached(1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    gate.open();
    await entered;

    expect(order).toStrictEqual(["other", "sleeper"]);
  });
});

describe.skipIf(lacksRedis)("without Redis", () => {
  test("a refresh fails, unless each machine may refresh on its own", async () => {
    const connection = await desk.connect();
    let isDown = false;
    const client: RedisConnection = {
      ...connection,
      send: (...sent) => (isDown ? silent : connection).send(...sent),
    };
    const [closed, open] = [false, true].map((failOpen) =>
      redisStore({ client, id: desk.id(), commandTimeout: 20, failOpen }),
    ) as [Required<SessionStore>, Required<SessionStore>];
    await Promise.all([closed.save(recordOf(0)), open.save(recordOf(0))]);

    isDown = true;

    await expect(closed.exclusive(async () => closed.load(), never)).rejects.toThrow("Redis did not answer");
    expect(await open.exclusive(async () => open.load(), never)).toStrictEqual(recordOf(0));
    // Outside the section nobody takes what is known for what is there.
    await expect(open.load()).rejects.toThrow("Redis did not answer");
  });

  test("no machine refreshes on its own because Redis refuses it", async () => {
    const refusing = async () => Promise.reject(new Error("NOPERM this user has no permissions"));
    const store = redisStore({ client: { ...silent, send: refusing }, id: "a", failOpen: true });

    await expect(store.exclusive(async () => "inside", never)).rejects.toThrow(
      "Redis refused the command: NOPERM",
    );
  });

  test("what could not be saved is what each goes on from, and is saved when Redis is back", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    let isDown = false;
    const client: RedisConnection = {
      ...connection,
      send: (...sent) => (isDown ? silent : connection).send(...sent),
    };
    const store = redisStore({ client, id, commandTimeout: 20, failOpen: true });
    await store.save(recordOf(0));
    isDown = true;
    await expect(store.save(recordOf(1), recordOf(0))).rejects.toThrow();

    const alone = await store.exclusive(async () => store.load(), never);
    isDown = false;

    expect([alone, await store.load()]).toStrictEqual([recordOf(1), recordOf(1)]);
    expect(await (await desk.open({ id })).load()).toStrictEqual(recordOf(1));
  });
});

describe.skipIf(lacksRedis)("who listens", () => {
  test.for(clients)(
    "is told to look again after its connection was made anew, on %s",
    async ([, connect]) => {
      const id = desk.id();
      const [store, other] = [
        redisStore({ client: await desk.connect(connect), id }),
        await desk.open({ id }),
      ];
      let hints = 0;
      store.subscribe(() => void hints++);
      await vi.waitFor(() => expect(hints).toBe(1));

      await desk.redis.command("CLIENT", "KILL", "SKIPME", "yes");
      await vi.waitFor(() => expect(hints).toBe(2), 5_000);
      await other.save(recordOf(0));

      await vi.waitFor(() => expect(hints).toBe(3), 5_000);
    },
  );

  test("listens through a client of its own where the other cannot do both", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    const deaf: RedisConnection = { ...connection, subscribe: () => Promise.reject(new Error("RESP2")) };
    const store = redisStore({ client: deaf, subscriber: await desk.connect(), id });
    let hints = 0;
    store.subscribe(() => void hints++);
    await vi.waitFor(() => expect(hints).toBe(1));

    await (await desk.open({ id })).save(recordOf(0));

    await vi.waitFor(() => expect(hints).toBe(2));
  });

  test.for(speakingResp2)("is told to do so by a client that cannot do both, of %s", async ([, connect]) => {
    const { client, close } = await connect(desk.redis.port);
    const store = redisStore({ client, id: desk.id() });
    const told = new Promise<void>((resolve) => void store.subscribe(resolve));
    await told;

    await expect(store.load()).rejects.toThrow(
      "A client that speaks RESP2 cannot send while it listens. Give a client to listen with, as `subscriber`",
    );
    close();
  });

  test("gets its turn all the same where Redis lets nobody listen", async () => {
    const id = desk.id();
    const connection = await desk.connect();
    const deaf: RedisConnection = { ...connection, subscribe: () => Promise.reject(new Error("NOPERM")) };
    const [store, other] = [redisStore({ client: deaf, id }), await desk.open({ id })];
    const gate = createGate();
    const held = other.exclusive(() => gate.pass(), never);
    await gate.reached(1);

    const entered = store.exclusive(async () => "inside", never);
    gate.open();

    expect([await entered, await held]).toStrictEqual(["inside", undefined]);
  });
});

describe.skipIf(lacksRedis)("in Redis", () => {
  async function keys(pattern: string): Promise<number> {
    return Number(
      (await desk.redis.command("EVAL", "return #redis.call('KEYS', ARGV[1])", "0", pattern)).slice(1),
    );
  }

  test("a store needs no more rights than its page says", async () => {
    const page = await readFile(new URL("../../../docs/shared-sessions.md", import.meta.url), "utf8");
    const rights = /An ACL needs `([^`]+)`\s+on `(\S+)` and `(\S+)`/
      .exec(page)
      ?.slice(1)
      .flatMap((part) => part.split(" "));
    await desk.redis.command("ACL", "SETUSER", "store", "on", ">secret", "+@connection", ...(rights ?? []));
    const socket = { host: "127.0.0.1", port: desk.redis.port };
    const client = createClient({ socket, username: "store", password: "secret" });
    await client.on("error", () => {}).connect();
    const store = redisStore({ client, id: desk.id() });
    let hints = 0;
    store.subscribe(() => void hints++);
    await vi.waitFor(() => expect(hints).toBe(1));

    await store.save(recordOf(0));
    await store.exclusive(async () => store.save(recordOf(1), recordOf(0)), never);
    await lose();

    expect(await store.load()).toStrictEqual(recordOf(1));
    await store.save(null);
    client.destroy();
  });

  test("sessions are told apart by their ids, and by the prefix", async () => {
    const [one, other] = [desk.id(), desk.id()];
    await (await desk.open({ id: one })).save(recordOf(0));

    expect(await (await desk.open({ id: other })).load()).toBeNull();
    expect(await (await desk.open({ id: one, prefix: "another:" })).load()).toBeNull();
  });

  test("a session is forgotten after the time that was given since it was last saved", async () => {
    const id = desk.id();
    const prefix = "short:";
    await (await desk.open({ id, prefix, keepFor: 50 })).save(recordOf(0));
    await vi.waitFor(async () => expect(await keys("short:*")).toBe(0));

    expect(await (await desk.open({ id, prefix })).load()).toBeNull();
  });

  test("nothing is left of a lease on a session that is not there", async () => {
    const store = await desk.open({ id: desk.id(), prefix: "lease:" });
    const during = await store.exclusive(() => keys("lease:*"), never);

    expect([during, await keys("lease:*")]).toStrictEqual([1, 0]);
  });
});
