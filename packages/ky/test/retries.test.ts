import { ledger, settled } from "@freshtoken/testing";
import { describe, expect, test, vi } from "vitest";
import {
  account,
  arrivals,
  fakeTimers,
  generation,
  HOUR,
  hourly,
  inMemory,
  ONE_REPLAY,
  outcomeOf,
  type Release,
  releases,
  stage,
} from "./support.ts";

const atOnce = { delay: () => 0 };
const onTimeout = { ...atOnce, retryOnTimeout: true };

describe.each(releases)("through $name", (via) => {
  test("does not count a hold against the timeout", async () => {
    const { clock, ...both } = hourly();
    const { server, client } = await inMemory(via, { clock, ...both, options: { timeout: 50 } });
    const gate = server.gate("token");
    clock.jump(HOUR);
    fakeTimers();

    const answer = generation(client.get("me").json());
    await gate.reached(1);
    await vi.advanceTimersByTimeAsync(50);
    gate.open();

    expect(await answer).toBe(1);
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 1, answers: 1 }));
  });

  test("holds a retry before ky starts its timeout", async () => {
    const { clock, ...both } = hourly();
    const { server, client } = await inMemory(via, { clock, ...both, options: { retry: atOnce } });
    const gate = server.gate("token");
    server.next("/me", () => {
      clock.jump(HOUR);
      return { status: 503 };
    });
    fakeTimers();

    const answer = generation(client.get("me").json());
    while (vi.getTimerCount() === 0 || ledger(server.log).answers === 0) await settled();
    await vi.advanceTimersByTimeAsync(0);
    await gate.reached(1);
    const running = vi.getTimerCount();
    gate.open();

    expect([running, await answer]).toStrictEqual([0, 1]);
    expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["a0", "a1"]);
  });

  test("retries what timed out, where ky is told to", async () => {
    const { server, client } = await inMemory(via, { options: { timeout: 50, retry: onTimeout } });
    server.next("/me", { hang: "before" });
    fakeTimers();

    const answer = generation(client.get("me").json());
    await server.when((log) => ledger(log).requests === 1);
    await vi.advanceTimersByTimeAsync(60);

    expect(await answer).toBe(0);
    expect(ledger(server.log)).toStrictEqual(account({ requests: 2, unanswered: 1, answers: 1 }));
  });

  test("holds the retry of what timed out while it was refused, until the token is fresh", async () => {
    const { server, client } = await inMemory(via, { options: { timeout: 50, retry: onTimeout } });
    const gate = server.gate("token");
    server.expire();
    fakeTimers();

    const answer = generation(client.get("me").json());
    await gate.reached(1);
    await vi.advanceTimersByTimeAsync(1_000);
    gate.open();

    expect(await answer).toBe(1);
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });

  test("rejects the held retry of what timed out at once when its caller aborts", async () => {
    const reason = new Error("changed my mind");
    const { server, session, client } = await inMemory(via, { options: { timeout: 50, retry: onTimeout } });
    const gate = server.gate("token");
    const controller = new AbortController();
    server.expire();
    fakeTimers();

    const outcome = outcomeOf(client.get("me", { signal: controller.signal }));
    await gate.reached(1);
    await vi.advanceTimersByTimeAsync(60);
    controller.abort(reason);

    expect(await outcome).toBe(reason);
    gate.open();
    await session.tokens();
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 1, refusals: 1 }),
    );
  });

  test("replays without a timer: no delay is added", async () => {
    const { server, client } = await inMemory(via);
    server.expire();
    fakeTimers();

    const answer = await client.get("me");

    expect([answer.status, vi.getTimerCount()]).toStrictEqual([200, 0]);
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });

  test.each([
    ["GET", { method: "get" }],
    ["POST", { method: "post", json: { id: 1 } }],
  ])("replays a %s with retry: 0", async (_, request) => {
    const { server, client } = await stage(via, { options: { retry: 0 } });
    server.expire();

    const answer = await client("me", request);

    expect(answer.status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(ONE_REPLAY);
  });

  test("uses up none of ky's retries for a replay", async () => {
    const { server, client } = await stage(via, { options: { retry: { limit: 2, ...atOnce } } });
    server.expire();
    server.next("/me", { refuse: true }, { status: 503 }, { status: 503 });

    const answer = await client.get("me");

    expect(answer.status).toBe(200);
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 4, refusals: 1, answers: 3 }),
    );
  });

  test("makes as many attempts as configured, and one refresh among them", async () => {
    const { server, client } = await stage(via, { options: { retry: { limit: 2, ...atOnce } } });
    server.expire();
    server.next("/me", {}, { status: 503, times: 3 });

    await expect(client.get("me")).rejects.toMatchObject({ name: "HTTPError", response: { status: 503 } });

    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 4, refusals: 1, answers: 3 }),
    );
  });

  test("refreshes once for a burst of 100 at an expiry, of which ky tries each as often as configured", async () => {
    const { server, client } = await stage(via, { options: { retry: { limit: 2, ...atOnce } } });
    server.expire();
    server.always("resource", (entry) =>
      entry.at === "resource" && entry.generation === 1 ? { status: 503 } : undefined,
    );

    const answers = Array.from({ length: 100 }, (_, index) => outcomeOf(client.get(`${index}`)));

    expect(await Promise.all(answers)).toMatchObject(Array(100).fill({ response: { status: 503 } }));
    expect(ledger(server.log)).toStrictEqual(
      account({ attempts: 1, refreshes: 1, requests: 400, refusals: 100, answers: 300 }),
    );
  });

  test("sends each of ky's own retries with the newest token", async () => {
    const { server, session, client } = await stage(via, { options: { retry: atOnce } });
    const gate = server.gate("/me");
    server.next("/me", { status: 503 }, { status: 503 });

    const answer = generation(client.get("me").json());
    for (let count = 0; count < 2; count++) {
      await gate.reached(1);
      await session.refresh();
      gate.step();
    }
    await gate.reached(1);
    gate.open();

    expect(await answer).toBe(2);
    expect(arrivals(server).map(({ token }) => token)).toStrictEqual(["a0", "a1", "a2"]);
  });

  test("sends what an afterResponse hook asks to send again with the newest token", async () => {
    const { server, session, client } = await stage(via);
    const again = client.extend({
      hooks: {
        afterResponse: [
          async ({ retryCount }) => {
            if (retryCount > 0) return;
            await session.refresh();
            return via.ky.retry({ delay: 0 });
          },
        ],
      },
    });

    const answer = await again.post("me", { json: { id: 1 } }).json();

    expect(answer).toMatchObject({ generation: 1, length: 8 });
    expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1, requests: 2, answers: 2 }));
  });
});

test("counts a hold against the totalTimeout of ky 2.1, and never sends what waited too long", async () => {
  const { clock, ...both } = hourly();
  const options = { totalTimeout: 20 };
  const { server, session, client } = await inMemory(releases[0] as Release, { clock, ...both, options });
  const gate = server.gate("token");
  clock.jump(HOUR);
  fakeTimers();

  const outcome = outcomeOf(client.get("me"));
  await gate.reached(1);
  await vi.advanceTimersByTimeAsync(20);
  gate.open();
  await session.tokens();

  expect(await outcome).toMatchObject({ name: "TimeoutError" });
  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, refreshes: 1 }));
});
