import {
  createServer,
  type Entry,
  entriesAt,
  type HistoryRule,
  type RequestEntry,
  type Server,
  type ServerOptions,
  violationsIn,
} from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { type Peer, type Point, startFleet } from "./fleet.ts";
import { type Kept, keptIn } from "./record.ts";

/** Where the process that refreshes is killed or stopped; `rotated`: the server has, and its answer is on the way. */
export type Window = Point | "rotated";

/** What came of it. */
export interface Aftermath {
  /** What the server made of each attempt, in their order. */
  readonly attempts: string[];
  /** How the requests of the others ended. */
  readonly others: Record<string, number>;
  readonly broken: HistoryRule[];
  readonly kept: Kept;
}

type Grace = ServerOptions["grace"];

/** Runs something with a server on loopback, and processes that end with it. */
async function staged<R>(
  grace: Grace,
  run: (server: Server, origin: string, peers: Peer[]) => Promise<R>,
): Promise<R> {
  const server = createServer(grace ? { grace } : {});
  const listener = await listen(server);
  const peers: Peer[] = [];
  try {
    return await run(server, listener.origin, peers);
  } finally {
    await Promise.all(peers.map((peer) => peer.kill()));
    await listener.close();
  }
}

/** Kills the process that refreshes, while two others wait for it with five requests each. */
export async function kill(file: string, window: Window, grace?: Grace): Promise<Aftermath> {
  const found = await staged(grace, async (server, origin, peers) => {
    const [at, gate] =
      window === "rotated" ? [{}, server.gate("token", "answer")] : [{ at: window }, undefined];
    peers.push(...(await startFleet(server.signIn(), { file, origin }, [at, {}, {}])));
    const [victim, ...rest] = peers as [Peer, ...Peer[]];
    server.expire();

    void victim.burst(5);
    await (gate ? gate.reached(1) : victim.reached());
    const answered = Promise.all(rest.map((peer) => peer.burst(5)));
    await seen(server, rest, 10);
    await victim.kill();
    gate?.open();
    const others = sum(await answered);

    return { ...judged(server.log), others };
  });
  return { ...found, kept: keptIn(file) };
}

/**
 * Stops the process that refreshes until the others have given up, and lets it go on. What is said of the others is how
 * their requests ended before, and then after that.
 */
export async function stop(
  file: string,
  point: Point,
): Promise<Aftermath & { readonly after: Record<string, number> }> {
  const found = await staged(undefined, async (server, origin, peers) => {
    const hasty = { refreshTimeout: 1_000 };
    const own = [{ at: point }, hasty, hasty];
    peers.push(...(await startFleet(server.signIn(), { file, origin }, own)));
    const [victim, ...rest] = peers as [Peer, ...Peer[]];
    server.expire();

    const first = victim.burst(5);
    await victim.reached();
    victim.signal("SIGSTOP");
    const others = sum(await Promise.all(rest.map((peer) => peer.burst(5))));
    victim.signal("SIGCONT");
    await victim.goOn();
    const own5 = await first;
    await Promise.all(rest.map((peer) => peer.serves("a1")));
    const after = sum([own5, ...(await Promise.all(rest.map((peer) => peer.burst(5))))]);

    return { ...judged(server.log), others, after };
  });
  return { ...found, kept: keptIn(file) };
}

/** Stops the process that refreshes for longer than its own attempt may take, the server having rotated. */
export async function oversleep(file: string, grace?: Grace): Promise<Aftermath> {
  const found = await staged(grace, async (server, origin, peers) => {
    const gate = server.gate("token", "answer");
    const hasty = { refreshTimeout: 1_000 };
    peers.push(...(await startFleet(server.signIn(), { file, origin }, [hasty, hasty])));
    const [victim, other] = peers as [Peer, Peer];
    server.expire();

    const first = victim.burst(5);
    await gate.reached(1);
    victim.signal("SIGSTOP");
    await other.burst(5);
    victim.signal("SIGCONT");
    // It has run out of time, and asks once more at once.
    await server.when((log) => entriesAt(log, "token").length === 2);
    gate.open();

    return { others: await first, ...judged(server.log) };
  });
  return { ...found, kept: keptIn(file) };
}

/** Waits until the resource server has answered so many requests of theirs. */
function seen(server: Server, peers: readonly Peer[], count: number): Promise<void> {
  const isTheirs = ({ headers, status }: RequestEntry) =>
    status !== "pending" && peers.some(({ by }) => by === headers["x-by"]);
  return server.when((log) => entriesAt(log, "resource").filter(isTheirs).length >= count);
}

export function sum(outcomes: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const each of outcomes)
    for (const [outcome, count] of Object.entries(each)) total[outcome] = (total[outcome] ?? 0) + count;
  return total;
}

/** What a log shows. Connections overtake one another: what arrives later may have been sent before. */
export function judged(log: readonly Entry[]): Pick<Aftermath, "attempts" | "broken"> {
  const found = violationsIn(log, {
    except: ["older"],
    note: ({ headers }) => ({ by: headers["x-by"] ?? "", request: headers["x-request"] ?? "" }),
  });
  return {
    attempts: entriesAt(log, "token").map(({ outcome }) => outcome),
    broken: [...new Set(found.map(({ rule }) => rule))].sort(),
  };
}
