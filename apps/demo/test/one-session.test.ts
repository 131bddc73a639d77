import { entriesAt, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { account, answered, arrivals, HOUR, holding, holdLate, type Stage, stage } from "./three-clients.ts";

test("refreshes once for 300 requests of three clients that find the token stale, and answers them all", async () => {
  const { server, clock, burst } = await stage();
  const refreshing = server.gate("token");
  clock.jump(HOUR);

  const outcomes = burst(300);
  await refreshing.reached(1);
  expect(entriesAt(server.log, "resource")).toStrictEqual([]);
  refreshing.open();

  expect(await outcomes).toStrictEqual({ "answered by generation 1": 300 });
  expect(arrivals(server)).toStrictEqual({ "family=1 a1 200": 300 });
  expect(ledger(server.log)).toStrictEqual(account({ requests: 300, answers: 300 }));
});

test("refreshes once for 300 requests of three clients that are refused together, and answers them all", async () => {
  const { server, burst } = await stage();
  const refreshing = server.gate("token");
  server.expire();

  const outcomes = burst(300);
  await answered(server, 401, 300);
  refreshing.open();

  expect(await outcomes).toStrictEqual({ "answered by generation 1": 300 });
  expect(arrivals(server)).toStrictEqual({ "family=1 a0 401": 300, "family=1 a1 200": 300 });
  expect(ledger(server.log)).toStrictEqual(account({ requests: 600, refusals: 300, answers: 300 }));
});

test("does not refresh again for the refusals of three clients that arrive after the refresh", async () => {
  const { server, burst } = await stage();
  const late = holdLate(server);
  server.expire();

  const outcomes = burst(300);
  await answered(server, 200, 240);
  late.open();

  expect(await outcomes).toStrictEqual({ "answered by generation 1": 300 });
  expect(arrivals(server)).toStrictEqual({ "family=1 a0 401": 300, "family=1 a1 200": 300 });
  expect(ledger(server.log)).toStrictEqual(account({ requests: 600, refusals: 300, answers: 300 }));
});

// Of 300 requests under the first sign-in a hundred were accepted, a hundred refused, a hundred are held; a refresh is in
// flight. Every fifth answer to the first two hundred is still on its way.
async function midBurst({ server, session, burst }: Stage) {
  const late = holdLate(server);
  const refreshed = server.gate("token", "answer");
  const accepted = burst(100);
  await Promise.all([answered(server, 200, 80), late.reached(20)]);
  server.expire();
  const refused = burst(100);
  await Promise.all([answered(server, 401, 80), late.reached(40), refreshed.reached(1)]);
  const held = burst(100);
  await holding(session, 100);

  return async () => {
    late.open();
    refreshed.open();
    return { accepted: await accepted, refused: await refused, held: await held };
  };
}

test("rejects what three clients hold or were refused when another signs in, and sends none of it under the other", async () => {
  const scene = await stage();
  const { server, session, burst } = scene;
  const goOn = await midBurst(scene);

  const last = burst(100);
  await session.signIn(server.signIn());
  const next = burst(100, 2);

  expect({ ...(await goOn()), last: await last, next: await next }).toStrictEqual({
    accepted: { "answered by generation 0": 100 },
    refused: { ERR_SIGNED_OUT: 100 },
    held: { ERR_SIGNED_OUT: 100 },
    last: { ERR_SIGNED_OUT: 100 },
    next: { "answered by generation 0": 100 },
  });
  expect(arrivals(server)).toStrictEqual({
    "family=1 a0 200": 100,
    "family=1 a0 401": 100,
    "family=2 2.a0 200": 100,
  });
  expect(ledger(server.log)).toStrictEqual(
    account({ signIns: 2, requests: 300, refusals: 100, answers: 200 }),
  );
  expect((await session.tokens()).refreshToken).toBe("2.r0");
});

test("rejects what three clients hold or were refused at a sign-out, and sends what comes later without a token", async () => {
  const scene = await stage();
  const { server, session, burst } = scene;
  const goOn = await midBurst(scene);

  const last = burst(100);
  await session.signOut();
  const next = burst(100, 0);

  expect({ ...(await goOn()), last: await last, next: await next }).toStrictEqual({
    accepted: { "answered by generation 0": 100 },
    refused: { ERR_SIGNED_OUT: 100 },
    held: { ERR_SIGNED_OUT: 100 },
    last: { ERR_SIGNED_OUT: 100 },
    next: { "refused with 401": 100 },
  });
  expect(arrivals(server)).toStrictEqual({
    "family=1 a0 200": 100,
    "family=1 a0 401": 100,
    "family=0 undefined 401": 100,
  });
  expect(ledger(server.log)).toStrictEqual(account({ requests: 300, refusals: 200, answers: 100 }));
  expect(session.state).toStrictEqual({ status: "signedOut" });
});
