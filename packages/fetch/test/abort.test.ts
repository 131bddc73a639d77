import { getEventListeners } from "node:events";
import { createClock, createServer, ledger } from "@freshtoken/testing";
import { describe, expect, test } from "vitest";
import { sessionFetch } from "../src/index.ts";
import { account, implementations, outcomeOf, sessionOn, stage } from "./support.ts";

const reason = new Error("changed my mind");

describe.each(implementations)("through $name", (via) => {
  test("rejects a held request that is aborted at once with the signal's reason, and never sends it", async () => {
    const { server, origin, authorized } = await stage(via);
    const gate = server.gate("token");
    const controller = new AbortController();
    server.expire();
    const first = authorized(`${origin}/first`);
    await gate.reached(1);

    const held = authorized(`${origin}/held`, { signal: controller.signal });
    controller.abort(reason);

    expect(await outcomeOf(held)).toBe(reason);
    gate.open();
    expect((await first).status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 }),
    );
  });

  test("rejects a refused request that is aborted at once, and lets its refresh go on", async () => {
    const { server, origin, session, authorized } = await stage(via);
    const gate = server.gate("token");
    const controller = new AbortController();
    server.expire();

    const refused = authorized(`${origin}/refused`, { signal: controller.signal });
    await gate.reached(1);
    controller.abort(reason);

    expect(await outcomeOf(refused)).toBe(reason);
    gate.open();
    expect(await session.tokens()).toMatchObject({ accessToken: "a1" });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 1, refusals: 1 }),
    );
  });

  test("rejects a request that is aborted in flight with the signal's reason", async () => {
    const { server, origin, authorized } = await stage(via);
    const gate = server.gate("/me");
    const controller = new AbortController();

    const sent = authorized(`${origin}/me`, { signal: controller.signal });
    await gate.reached(1);
    controller.abort(reason);

    expect(await outcomeOf(sent)).toBe(reason);
    await server.when((log) => ledger(log).unanswered === 1);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 1, unanswered: 1 }));
  });

  test("rejects a request whose signal has aborted before, and sends nothing", async () => {
    const { server, origin, authorized } = await stage(via);
    const signal = AbortSignal.abort(reason);

    const outcomes = [
      await outcomeOf(authorized(`${origin}/me`, { signal })),
      await outcomeOf(authorized(new via.Request(`${origin}/me`, { signal }))),
    ];

    expect(outcomes).toStrictEqual([reason, reason]);
    expect(ledger(server.log)).toStrictEqual(account({}));
  });

  test("obeys a Request's own signal while it is held", async () => {
    const { server, origin, authorized } = await stage(via);
    const gate = server.gate("token");
    const controller = new AbortController();
    server.expire();
    const first = authorized(`${origin}/first`);
    await gate.reached(1);

    const held = authorized(new via.Request(`${origin}/held`, { signal: controller.signal }));
    controller.abort(reason);

    expect(await outcomeOf(held)).toBe(reason);
    gate.open();
    expect((await first).status).toBe(200);
    expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2 });
  });

  test("forgets a Request's own signal where init says null", async () => {
    const { server, origin, authorized } = await stage(via);
    const gate = server.gate("token");
    const controller = new AbortController();
    server.expire();

    const request = new via.Request(`${origin}/me`, { signal: controller.signal });
    const refused = authorized(request, { signal: null });
    await gate.reached(1);
    controller.abort(reason);
    gate.open();

    expect((await refused).status).toBe(200);
  });
});

test("listens once to a signal that many requests share, and not at all when they are answered", async () => {
  const clock = createClock();
  const server = createServer({ expiresIn: 60, now: clock.now });
  const { session } = sessionOn(server, { clock, origins: [server.origin] });
  const authorized = sessionFetch(session, { fetch: server.fetch });
  const { signal } = new AbortController();
  await session.signIn(server.signIn());
  const gate = server.gate("token");
  clock.jump(60_000);

  const held = Array.from({ length: 100 }, () => authorized(server.origin, { signal }));
  await gate.reached(1);
  const during = getEventListeners(signal, "abort").length;
  gate.open();
  await Promise.all(held);

  expect([during, getEventListeners(signal, "abort").length]).toStrictEqual([1, 0]);
});
