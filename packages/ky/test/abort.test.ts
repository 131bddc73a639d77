import { ledger } from "@freshtoken/testing";
import type { Options } from "ky";
import { describe, expect, test, vi } from "vitest";
import { account, fakeTimers, HOUR, hourly, inMemory, outcomeOf, releases, stage } from "./support.ts";

const reason = new Error("changed my mind");

/** A caller's signal, one of the instance, and both. */
const signals: readonly [string, (signal: AbortSignal) => [instance: Options, request: Options]][] = [
  ["its own signal", (signal) => [{}, { signal }]],
  ["the instance's signal", (signal) => [{ signal }, {}]],
  [
    "the instance's signal, having its own",
    (signal) => [{ signal }, { signal: new AbortController().signal }],
  ],
];

describe.each(releases)("through $name", (via) => {
  test.each(signals)(
    "rejects a held request at once that is aborted by %s, and never sends it",
    async (_, make) => {
      const { server, client } = await stage(via);
      const gate = server.gate("token");
      const controller = new AbortController();
      const [instance, request] = make(controller.signal);
      server.expire();
      const first = client.get("first");
      await gate.reached(1);

      const held = outcomeOf(client.extend(instance).get("held", request));
      await Promise.resolve();
      controller.abort(reason);

      expect(await held).toBe(reason);
      gate.open();
      await first;
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 2, refusals: 1, answers: 1 }),
      );
    },
  );

  test.each(signals)(
    "rejects a refused request at once that is aborted by %s, and its refresh goes on",
    async (_, make) => {
      const { server, session, client } = await stage(via);
      const gate = server.gate("token");
      const controller = new AbortController();
      const [instance, request] = make(controller.signal);
      server.expire();

      const refused = outcomeOf(client.extend(instance).get("refused", request));
      await gate.reached(1);
      controller.abort(reason);

      expect(await refused).toBe(reason);
      gate.open();
      expect(await session.tokens()).toMatchObject({ accessToken: "a1" });
      expect(ledger(server.log)).toStrictEqual(
        account({ attempts: 1, refreshes: 1, requests: 1, refusals: 1 }),
      );
    },
  );

  test("rejects a refused request with ky's TimeoutError when its timeout passes, and its refresh goes on", async () => {
    const { server, session, client } = await inMemory(via, { options: { timeout: 50 } });
    const gate = server.gate("token");
    server.expire();
    fakeTimers();

    const outcome = outcomeOf(client.get("refused"));
    await gate.reached(1);
    await vi.advanceTimersByTimeAsync(50);
    gate.open();

    expect(await outcome).toMatchObject({ name: "TimeoutError" });
    expect(await session.tokens()).toMatchObject({ accessToken: "a1" });
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 1, refusals: 1 }),
    );
  });

  test("rejects a held request at once that is aborted by the signal of the Request given to ky", async () => {
    const { clock, ...both } = hourly();
    const { server, session, origin, client } = await inMemory(via, { clock, ...both });
    const gate = server.gate("token");
    const controller = new AbortController();
    clock.jump(HOUR);

    const held = outcomeOf(client(new Request(`${origin}/me`, { signal: controller.signal })));
    await gate.reached(1);
    controller.abort(reason);

    expect(await held).toBe(reason);
    gate.open();
    await session.tokens();
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1 }));
  });

  test("rejects a replay that is aborted on its way with the signal's reason", async () => {
    const { server, client } = await stage(via);
    const gate = server.gate("/me");
    const controller = new AbortController();
    server.expire();

    const outcome = outcomeOf(client.get("me", { signal: controller.signal }));
    await gate.reached(1);
    gate.step();
    await gate.reached(1);
    controller.abort(reason);

    expect(await outcome).toBe(reason);
    gate.open();
  });
});
