import {
  createServer,
  type Entry,
  entriesAt,
  ledger,
  type Server,
  type ServerOptions,
} from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import type { Chance } from "./chance.ts";
import { type Peer, startPeer } from "./fleet.ts";
import { keptIn } from "./record.ts";
import { judged, sum } from "./windows.ts";

/** What a run came to. */
export interface Run {
  readonly did: string;
  /** What must never happen, and did. */
  readonly violations: readonly string[];
}

export interface Traffic {
  readonly file: string;
  readonly chance: Chance;
  readonly seconds: number;
  readonly say: (line: string) => void;
}

/** What befalls the processes, now and then. */
type Mischief = (fleet: Fleet, chance: Chance) => Promise<string>;

interface Fleet {
  readonly peers: Peer[];
  /** Puts a new process in the place of one that is gone. */
  replace(peer: Peer): Promise<void>;
}

const COUNT = 6;

/** Lets processes send without a pause, while tokens expire and mischief is done; nobody may notice. */
async function endure(
  { file, chance, seconds, say }: Traffic,
  options: ServerOptions,
  [soonest, latest]: readonly [ms: number, ms: number],
  mischief: Mischief,
): Promise<Run> {
  const server = createServer(options);
  // Long enough to be hit in.
  server.always("token", { answerAfter: 60 });
  const listener = await listen(server);
  const outcomes: Record<string, number>[] = [];
  const peers: Peer[] = [];
  const lanes = new Map<Peer, Promise<void>>();
  const done: Record<string, number> = {};
  const end = performance.now() + seconds * 1_000;
  let started = 0;
  let expiries = 0;
  const isOver = () => performance.now() > end;

  async function lane(peer: Peer): Promise<void> {
    while (!isOver() && peers.includes(peer)) outcomes.push(await peer.burst(20, 4));
  }
  async function start(): Promise<Peer> {
    const peer = await startPeer({ file, origin: listener.origin, by: `p${++started}` });
    peers.push(peer);
    return peer;
  }
  async function replace(peer: Peer): Promise<void> {
    peers.splice(peers.indexOf(peer), 1);
    lanes.delete(peer);
    const other = await start();
    lanes.set(other, lane(other));
  }
  async function expire(): Promise<void> {
    while (!isOver()) {
      await passed(chance.between(soonest, latest));
      server.expire();
      expiries += 1;
    }
  }
  async function disturb(): Promise<void> {
    while (!isOver()) {
      await passed(chance.between(50, 400));
      const what = await mischief({ peers, replace }, chance);
      done[what] = (done[what] ?? 0) + 1;
    }
  }

  try {
    const first = await start();
    await first.signIn(server.signIn());
    await Promise.all(Array.from({ length: COUNT - 1 }, start));
    for (const peer of peers) lanes.set(peer, lane(peer));
    const progress = setInterval(() => say(`${expiries} expiries, ${JSON.stringify(done)}`), 10_000);
    await Promise.all([expire(), disturb()]);
    clearInterval(progress);
    await Promise.all(lanes.values());
  } finally {
    await Promise.all(peers.map((peer) => peer.kill()));
    await listener.close();
  }
  const answered = sum(outcomes);
  return {
    did: `${expiries} expiries, ${shown(done)}; ${shown(answered)}; ${refreshes(server)}`,
    violations: [
      ...faults(server, answered, peers),
      ...(keptIn(file).isSound ? [] : ["the file is not sound"]),
    ],
  };
}

/** `survivors` have come to the end of all that they sent. */
function faults({ log }: Server, answered: Record<string, number>, survivors: readonly Peer[]): string[] {
  // Whoever was killed with the answer in hand had read it: the next one asks again, in the grace.
  const broken = judged(log).broken.filter((rule) => rule !== "turns");
  const others = Object.keys(answered).filter((outcome) => outcome !== "200" && outcome !== "401");
  return [
    ...broken.map((rule) => `the history breaks the rule "${rule}"`),
    ...others.map((outcome) => `${answered[outcome]} requests came to ${outcome}`),
    ...givenUp(log, survivors).map((request) => `${request} was refused, and not sent again`),
  ];
}

// A token may expire again on the way: a request that was replayed waits for no second round.
function givenUp(log: readonly Entry[], survivors: readonly Peer[]): string[] {
  const sends = new Map<string, unknown[]>();
  for (const { headers, status } of entriesAt(log, "resource")) {
    const { "x-by": by, "x-request": request = "" } = headers;
    if (survivors.some((peer) => peer.by === by)) sends.set(request, [...(sends.get(request) ?? []), status]);
  }
  return [...sends]
    .filter(([, statuses]) => statuses.length === 1 && statuses[0] === 401)
    .map(([request]) => request);
}

function refreshes({ log }: Server): string {
  const { attempts, reuses } = ledger(log);
  const graced = judged(log).attempts.filter((outcome) => outcome === "graced").length;
  return `${attempts} refreshes, ${graced} in the grace, ${reuses} reused`;
}

function shown(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${count} × ${what}`)
    .join(", ");
}

function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Kills processes, whatever they do just then, and starts others; the server gives 10 s of grace. */
export function kills(traffic: Traffic): Promise<Run> {
  return endure(traffic, { grace: { within: 10_000 } }, [200, 1_000], async ({ peers, replace }, chance) => {
    const victim = chance.one(peers);
    await victim.kill();
    await replace(victim);
    return "SIGKILL";
  });
}

/**
 * Stops processes, for less than an attempt may take, and lets them go on; the server gives no grace. A token lives longer
 * than that: of a request that is stopped again and again, three sends may all come too late.
 */
export function stops(traffic: Traffic): Promise<Run> {
  return endure(traffic, {}, [1_600, 3_000], async ({ peers }, chance) => {
    const victim = chance.one(peers);
    victim.signal("SIGSTOP");
    await passed(chance.between(1, 1_500));
    victim.signal("SIGCONT");
    return "SIGSTOP";
  });
}

/** Lets 20 processes meet 20 expiries, with 200 requests each at every one. */
export async function expiries({ file, say }: Traffic): Promise<Run> {
  const server = createServer();
  const listener = await listen(server);
  const options = { file, origin: listener.origin };
  const peers = [await startPeer({ ...options, by: "p1" })];
  const outcomes: Record<string, number>[] = [];
  try {
    await peers[0]?.signIn(server.signIn());
    const others = Array.from({ length: 19 }, (_, index) => startPeer({ ...options, by: `p${index + 2}` }));
    peers.push(...(await Promise.all(others)));
    for (let expiry = 1; expiry <= 20; expiry++) {
      server.expire();
      outcomes.push(...(await Promise.all(peers.map((peer) => peer.burst(200, 20)))));
      say(`${expiry} of 20 expiries`);
    }
  } finally {
    await Promise.all(peers.map((peer) => peer.kill()));
    await listener.close();
  }
  const answered = sum(outcomes);
  const { attempts } = ledger(server.log);
  const isWhole = attempts === 20 && answered[200] === 20 * 20 * 200;
  const excess = isWhole ? [] : [`${attempts} refreshes for 20 expiries, ${answered[200]} requests answered`];
  return {
    did: `20 expiries; ${shown(answered)}; ${refreshes(server)}`,
    violations: [...faults(server, answered, peers), ...excess],
  };
}
