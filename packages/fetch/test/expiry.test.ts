import { createClock, createServer, ledger, settled, story } from "@freshtoken/testing";
import { describe, expect, test } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { account, burst, implementations, seeded, stage } from "./support.ts";

const HOUR = 3_600_000;

/** A server and a session that share a clock; access tokens live an hour. */
function hourly() {
  const clock = createClock();
  return { clock, server: createServer({ expiresIn: 3600, now: clock.now }) };
}

describe.each(implementations)("through $name", (via) => {
  test("answers a burst of 100 at an expiry that nobody knew of with one refresh", async () => {
    const { server, origin, authorized } = await stage(via);
    server.expire();

    const statuses = await burst(authorized, origin, 100);

    expect(statuses).toStrictEqual(Array(100).fill(200));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 200, refusals: 100, answers: 100 }),
    );
  });

  test("holds a burst of 100 while a stale token is refreshed, and sends each once", async () => {
    const { clock, ...both } = hourly();
    const { server, origin, authorized } = await stage(via, { clock, ...both });
    clock.jump(HOUR);

    const statuses = await burst(authorized, origin, 100);

    expect(statuses).toStrictEqual(Array(100).fill(200));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 100, answers: 100 }),
    );
  });

  test("sends a burst of 100 with an ageing token, and refreshes once in the background", async () => {
    const { clock, ...both } = hourly();
    const { server, origin, session, authorized } = await stage(via, { clock, ...both });
    const gate = server.gate("token");
    clock.jump(HOUR - 30_000);

    const statuses = await burst(authorized, origin, 100);
    await gate.reached(1);
    const before = ledger(server.log);
    gate.open();
    await session.refresh();

    expect(statuses).toStrictEqual(Array(100).fill(200));
    expect(before).toStrictEqual(account({ attempts: 1, requests: 100, answers: 100 }));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 100, answers: 100 }),
    );
  });

  test("replays a refusal that arrives after the refresh without another one", async () => {
    const { server, origin, authorized } = await stage(via);
    const gate = server.gate("/late", "answer");
    server.expire();

    const late = authorized(`${origin}/late`);
    await gate.reached(1);
    await authorized(`${origin}/soon`);
    gate.open();

    expect((await late).status).toBe(200);
    expect(story(server.log)).toStrictEqual([
      "signIn: a0 r0",
      "expire: a0",
      "→ GET /late a0",
      "→ GET /soon a0",
      "← 401 GET /soon a0",
      "→ token r0",
      "← 200 token r0: rotated, a1 r1",
      "→ GET /soon a1",
      "← 200 GET /soon a1",
      "← 401 GET /late a0",
      "→ GET /late a1",
      "← 200 GET /late a1",
    ]);
  });

  test("holds what is made while a refused token is refreshed", async () => {
    const { server, origin, authorized } = await stage(via);
    const gate = server.gate("token");
    server.expire();

    const first = authorized(`${origin}/first`);
    await gate.reached(1);
    const second = authorized(`${origin}/second`);
    await settled();
    gate.open();

    expect([(await first).status, (await second).status]).toStrictEqual([200, 200]);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 3, refusals: 1, answers: 2 }),
    );
  });

  test("sends what it held in the order in which it was made", async () => {
    const { clock, ...both } = hourly();
    const { session, origin } = await stage(via, { clock, ...both });
    const sent: string[] = [];
    const authorized = sessionFetch(session, {
      fetch: (input, init) => {
        sent.push(new URL(String(input)).pathname);
        return via.fetch(input, init);
      },
    });
    clock.jump(HOUR);

    await burst(authorized, origin, 50);

    expect(sent).toStrictEqual(Array.from({ length: 50 }, (_, index) => `/${index}`));
  });

  test("answers a storm of 1,000 requests over 10 expiries with 10 refreshes", async () => {
    const { server, origin, authorized } = await stage(via, { refusalLimit: false });
    const random = seeded(7);
    server.always("resource", () => ({ actAfter: turns(random() * 9), answerAfter: turns(random() * 9) }));
    const statuses: number[] = [];

    for (let expiry = 0; expiry < 10; expiry++) {
      const flight: Promise<number>[] = [];
      const expiring = Math.floor(random() * 99);
      for (let index = 0; index < 100; index++) {
        flight.push(authorized(`${origin}/me`).then(statusOf));
        if (index === expiring) server.expire();
        await turns(random() * 3);
      }
      statuses.push(...(await Promise.all(flight)));
    }

    const { attempts, refreshes, reuses, answers, unanswered } = ledger(server.log);
    expect(statuses).toStrictEqual(Array(1000).fill(200));
    expect([attempts, refreshes, reuses, answers, unanswered]).toStrictEqual([10, 10, 0, 1000, 0]);
  });

  test("rejects what was refused or held before a sign-out, and never serves the late refresh", async () => {
    const { server, origin, session, authorized } = await stage(via);
    const gate = server.gate("token", "answer");
    server.expire();

    const refused = authorized(`${origin}/refused`);
    await gate.reached(1);
    const held = authorized(`${origin}/held`);
    const failures = Promise.allSettled([refused, held]);
    await session.signOut();
    gate.open();

    expect(await failures).toMatchObject([
      {
        status: "rejected",
        reason: { code: "ERR_SIGNED_OUT", request: { method: "GET", url: `${origin}/refused` } },
      },
      {
        status: "rejected",
        reason: { code: "ERR_SIGNED_OUT", request: { method: "GET", url: `${origin}/held` } },
      },
    ]);
    expect((await authorized(`${origin}/after`)).status).toBe(401);
    expect(session.state).toStrictEqual({ status: "signedOut" });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 2 }),
    );
  });

  test("never sends what was made before a sign-in with the new sign-in's token", async () => {
    const { server, origin, session, authorized } = await stage(via);
    const gate = server.gate("token");
    server.expire();

    const refused = authorized(`${origin}/refused`);
    await gate.reached(1);
    const held = authorized(`${origin}/held`);
    const failures = Promise.allSettled([refused, held]);
    await session.signIn(server.signIn());
    const after = await authorized(`${origin}/after`);
    gate.open();

    expect(await failures).toMatchObject([
      { reason: { code: "ERR_SIGNED_OUT" } },
      { reason: { code: "ERR_SIGNED_OUT" } },
    ]);
    expect(await after.json()).toMatchObject({ path: "/after", family: 2, generation: 0 });
  });

  test("repeats once, at once, a refresh whose answer was lost on its way", async () => {
    const { server, origin, authorized } = await stage(via, { server: createServer({ grace: { uses: 1 } }) });
    server.next("token", { reset: "after" });
    server.expire();

    const answer = await authorized(`${origin}/me`);

    expect(answer.status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 2, refreshes: 2, requests: 2, refusals: 1, answers: 1 }),
    );
  });

  test("leaves a request whose answer was lost to its caller", async () => {
    const { server, origin, authorized } = await stage(via);
    server.next("/me", { reset: "after" });

    const answer = authorized(`${origin}/me`, { method: "POST", body: "once" });

    await expect(answer).rejects.toThrow(new TypeError("fetch failed"));
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, unanswered: 1 }));
  });
});

/** The status of an answer that was read to its end. */
async function statusOf(answer: Response): Promise<number> {
  await answer.arrayBuffer();
  return answer.status;
}

/** Lets the event loop turn so many times. */
async function turns(count: number): Promise<void> {
  for (let turn = 1; turn < count; turn++) await settled();
}
