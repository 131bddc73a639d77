import { createSession, type Session } from "@freshtoken/core";
import { createClock, createServer, ledger, type ManualClock, type Server } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import { redisStore } from "../src/index.ts";
import { lacksRedis } from "./redis-server.ts";
import { type Observed, observed, useRedis } from "./support.ts";

const desk = useRedis();

interface Member {
  readonly clock: ManualClock;
  readonly session: Session;
  readonly connection: Observed;
}

/** Sessions on a connection each. Time stands still: nothing is asked for that nothing has called for. */
async function members(count: number, server: Server): Promise<[Member, Member, ...Member[]]> {
  const id = desk.id();
  const clock = createClock();
  const open = (client: Observed) =>
    createSession({
      store: redisStore({ client, id, clock }),
      clock,
      refresh: ({ refreshToken }) =>
        server.fetch("/token", {
          method: "POST",
          body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
        }),
    });
  const first = open(observed(await desk.connect()));
  await first.signIn(server.signIn());
  await first.close();
  const all: Member[] = [];
  for (let index = 0; index < count; index++) {
    const connection = observed(await desk.connect());
    const session = open(connection);
    await session.loaded;
    all.push({ clock, session, connection });
    // It has loaded, and once more when it was sure to hear of changes.
    await vi.waitFor(() => expect(connection.sent.filter((each) => each === "found")).toHaveLength(2));
  }
  // Redis knows each script once it was sent in full.
  await all[0]?.session.refresh();
  for (const { session, connection } of all) {
    await vi.waitFor(() => expect(session.state).toMatchObject({ tokens: { accessToken: "a1" } }));
    await vi.waitFor(() => expect(["found", "freed"]).toContain(connection.sent.at(-1)));
  }
  for (const { connection } of all) connection.sent.length = 0;
  return all as [Member, Member, ...Member[]];
}

test.skipIf(lacksRedis)(
  "costs three round trips to refresh, four to wait for that, and one to hear of it",
  async () => {
    const server = createServer();
    const [holder, waiter, idle] = await members(3, server);
    const gate = server.gate("token");

    const refreshed = holder.session.refresh();
    await gate.reached(1);
    const waited = waiter.session.refresh();
    await vi.waitFor(() => expect(waiter.connection.sent).toStrictEqual(["busy"]));
    gate.open();
    await Promise.all([refreshed, waited]);

    await vi.waitFor(() => expect(holder.connection.sent).toStrictEqual(["leased", "stored", "freed"]));
    // It goes on with what it waited for; it has yet to leave.
    expect(waiter.connection.sent).toStrictEqual(["busy", "found"]);
    await vi.waitFor(async () => {
      await waiter.clock.advance(10);
      expect(waiter.connection.sent).toStrictEqual(["busy", "found", "leased", "freed"]);
    });
    expect(idle?.connection.sent).toStrictEqual(["found"]);
    expect(ledger(server.log)).toMatchObject({ attempts: 2 });
  },
);

test.skipIf(lacksRedis)(
  "costs one round trip for each time that somebody who waits looks again",
  async () => {
    const server = createServer();
    const id = desk.id();
    const clock = createClock();
    const holder = await desk.open({ id });
    const connection = observed(await desk.connect());
    const waiter = redisStore({ client: connection, id, clock });
    waiter.subscribe(() => {});
    await vi.waitFor(() => expect(connection.sent).toStrictEqual(["subscribe"]));
    const controller = new AbortController();
    const held = server.gate("token");
    void holder.exclusive(() => held.pass(), controller);
    await held.reached(1);

    const waiting = waiter.exclusive(async () => {}, controller);
    for (let polls = 0; polls < 4; polls++) {
      await vi.waitFor(() =>
        expect(connection.sent).toStrictEqual(["subscribe", ...Array(polls + 1).fill("busy")]),
      );
      // The first is due within 200 ms, and each at most twice as long after the one before.
      if (polls < 3) await clock.advance(100 * 2 ** (polls + 1));
    }
    held.open();
    let isOver = false;
    void waiting.then(() => {
      isOver = true;
    });
    await vi.waitFor(async () => {
      await clock.advance(1);
      expect(isOver).toBe(true);
    });

    expect(connection.sent).toStrictEqual(["subscribe", ...Array(4).fill("busy"), "leased", "freed"]);
  },
);

test.skipIf(lacksRedis)(
  "costs a session nothing that nobody uses, nor one whose token is fresh",
  async () => {
    const server = createServer();
    const [one, other] = await members(2, server);

    for (let times = 0; times < 100; times++) await one.session.tokens();

    expect([one.connection.sent, other.connection.sent]).toStrictEqual([[], []]);
  },
);

test.skipIf(lacksRedis)(
  "opens a session with three round trips: it loads, listens, and loads what it missed",
  async () => {
    const connection = observed(await desk.connect());
    const session = createSession({
      store: redisStore({ client: connection, id: desk.id() }),
      refresh: async () => null,
    });
    await session.loaded;

    await vi.waitFor(() =>
      expect([...connection.sent].sort()).toStrictEqual(["found", "found", "subscribe"]),
    );
  },
);
