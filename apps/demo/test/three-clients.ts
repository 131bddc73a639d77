import type { Session } from "@freshtoken/core";
import {
  createClock,
  createServer,
  entriesAt,
  type Gate,
  type Ledger,
  type ManualClock,
  type Server,
} from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { onTestFinished } from "vitest";
import { axiosTurn, fetchTurn, kyTurn } from "../src/turns.ts";
import { connectAxios } from "../src/wiring/axios.ts";
import { connectFetch } from "../src/wiring/fetch.ts";
import { connectKy } from "../src/wiring/ky.ts";
import { connectSession } from "../src/wiring/session.ts";

export const HOUR = 3_600_000;

export interface Stage {
  readonly server: Server;
  readonly clock: ManualClock;
  readonly session: Session;
  /**
   * Sends requests at once, in turns through axios, ky and fetch, and tells how each ended. Their path says under which
   * family they are made; every fifth goes to /late.
   */
  burst(size: number, family?: number): Promise<Record<string, number>>;
}

/** One session that is signed in at a server on a loopback port, and three clients that share it. */
export async function stage(): Promise<Stage> {
  const clock = createClock();
  const server = createServer({ expiresIn: HOUR / 1000, now: clock.now });
  const { origin, close } = await listen(server);
  onTestFinished(close);
  // The server in memory has no discovery document, and no page to sign in at.
  const { session } = connectSession(
    { issuer: origin, clientId: "demo", server: { token_endpoint: `${origin}/token` } },
    { tokens: server.signIn(), clock },
  );
  const turns = [
    axiosTurn(connectAxios(session, origin)),
    kyTurn(connectKy(session, origin)),
    fetchTurn(connectFetch(session, origin), origin),
  ] as const;

  async function burst(size: number, family = 1): Promise<Record<string, number>> {
    const numbers = Array.from({ length: size }, (_, number) => number);
    const sent = numbers.map((number) =>
      outcomeOf(
        turns[(number % 3) as 0 | 1 | 2].get(`/${number % 5 === 4 ? "late" : "me"}?family=${family}`),
      ),
    );
    return tally(await Promise.all(sent));
  }

  return { server, clock, session, burst };
}

async function outcomeOf(getting: Promise<unknown>): Promise<string> {
  try {
    const { generation } = (await getting) as { generation: number };
    return `answered by generation ${generation}`;
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return code === "ERR_SIGNED_OUT" ? code : message.replace(/^.*\b401\b.*$/, "refused with 401");
  }
}

/** What arrived at the resource server: the family each request was made under, the token it brought, the answer. */
export function arrivals({ log }: Server): Record<string, number> {
  return tally(
    entriesAt(log, "resource").map(({ search, token, status }) => `${search.slice(1)} ${token} ${status}`),
  );
}

function tally(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

/** Holds the answers to requests at /late: each was judged when it arrived. */
export function holdLate(server: Server): Gate {
  return server.gate("/late", "answer");
}

/** Resolves when the resource server has answered so many requests with this status. */
export function answered(server: Server, status: number, count: number): Promise<void> {
  return server.when(
    (log) => entriesAt(log, "resource").filter((entry) => entry.status === status).length === count,
  );
}

/** Resolves when a session holds so many requests. */
export function holding(session: Session, count: number): Promise<void> {
  return new Promise((resolve) => {
    const undo = session.subscribe((event) => {
      if (event.type !== "held" || event.count < count) return;
      undo();
      resolve();
    });
  });
}

/** A whole ledger, of which most is nothing. */
export function account(lines: Partial<Ledger>): Ledger {
  const nothing = { reuses: 0, revocations: 0, requests: 0, refusals: 0, answers: 0, unanswered: 0 };
  return { signIns: 1, attempts: 1, refreshes: 1, ...nothing, ...lines };
}
