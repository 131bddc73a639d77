import { createServer, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { expect, onTestFinished, test } from "vitest";
import { type Peer, startFleet } from "../chaos/fleet.ts";
import { judged, sum } from "../chaos/windows.ts";
import { newFile } from "./support.ts";

type Own = Parameters<typeof startFleet>[2];

async function fleetOf(own: Own) {
  const server = createServer();
  const listener = await listen(server);
  const { origin } = listener;
  const peers = await startFleet(server.signIn(), { file: newFile(), origin }, own);
  onTestFinished(async () => {
    await Promise.all(peers.map((peer) => peer.kill()));
    await listener.close();
  });
  return { server, peers: peers as [Peer, Peer, ...Peer[]] };
}

test("refreshes once at each of 20 expiries that 20 processes share, and answers all 200 requests of each", {
  timeout: 120_000,
}, async () => {
  const { server, peers } = await fleetOf(Array(20).fill({}));
  const answered: Record<string, number>[] = [];

  for (let expiry = 0; expiry < 20; expiry++) {
    server.expire();
    answered.push(...(await Promise.all(peers.map((peer) => peer.burst(10)))));
  }

  expect(sum(answered)).toStrictEqual({ 200: 20 * 200 });
  expect(ledger(server.log)).toMatchObject({ attempts: 20, refreshes: 20, reuses: 0, answers: 20 * 200 });
  expect(judged(server.log).broken).toStrictEqual([]);
});

test("tells idle processes of a refresh, a sign-out and a sign-in of another", {
  timeout: 15_000,
}, async () => {
  const { server, peers } = await fleetOf([{}, {}]);
  const [one, two] = peers;

  await one.refresh();
  await two.serves("a1");
  await one.signOut();
  await one.signIn(server.signIn());
  await two.serves("2.a0");

  expect(ledger(server.log)).toMatchObject({ attempts: 1 });
  expect((await two.said()).at(-1)).toBe("signedIn");
});

test("keeps two sessions of one file apart: one refreshes while a process holds the section of the other", async () => {
  const { server, peers } = await fleetOf([{ at: "locked" }, { name: "other" }]);
  const [one, other] = peers;
  await other.signIn(server.signIn());
  server.expire();

  const held = one.burst(5);
  await one.reached();
  const free = await other.burst(5);
  await one.goOn();

  expect([free, await held]).toStrictEqual([{ 200: 5 }, { 200: 5 }]);
  expect(judged(server.log)).toStrictEqual({ attempts: ["rotated", "rotated"], broken: [] });
});
