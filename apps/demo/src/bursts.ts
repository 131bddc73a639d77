import { setTimeout as delay } from "node:timers/promises";
import type { Entry, Journal } from "./journal.ts";
import type { Turn } from "./turns.ts";
import type { Wire } from "./wire.ts";

/** A hundred requests: most of them together, the others close behind. */
export interface Burst {
  readonly title: string;
  /** How old the client's tokens are when it begins, in ms; it waits until they are. */
  readonly age: number;
  /** Whether the client was told when its token expires. */
  readonly isKnown: boolean;
}

/** Who sends the bursts, and what is seen of it. */
export interface Client {
  readonly name: string;
  readonly account: string;
  readonly api: string;
  /** Those who take turns: the first request is the first one's, the next one the next one's. */
  readonly turns: readonly Turn[];
  readonly wire: Wire;
  readonly journal: Journal;
  /** Signs out, where the client can; resolves when the authorization server knows. */
  signOut?(): Promise<void>;
}

/** Seconds, as the token response says; the server cuts off up to one of them. */
export const lifetime = 5;
export const size = 100;

const together = 60;
const wave = 10;
const pause = 10;
const expired = lifetime * 1000 + 200;
const nearExpiry = lifetime * 770;

/** The first burst finds fresh tokens, each of the others an expiry. */
export const bursts: readonly Burst[] = [
  { title: "the token is fresh", age: 0, isKnown: true },
  { title: "the token is about to expire, and the client knows", age: nearExpiry, isKnown: true },
  { title: "the token has expired, and the client cannot know", age: expired, isKnown: false },
  { title: "the token has expired, and the client knows", age: expired, isKnown: true },
  { title: "the token is about to expire, and the client cannot know", age: nearExpiry, isKnown: false },
];

/**
 * Sends the bursts, one after the other has been answered. What is not answered within `patience`, in ms since its burst
 * began, counts as lost.
 */
export async function sendBursts(
  client: Client,
  plan: readonly Burst[],
  ended: (entry: Entry, burst: number) => void,
  patience = 10_000,
): Promise<void> {
  const { wire, journal } = client;
  for (const [index, { title, age }] of plan.entries()) {
    await delay(Math.max(0, wire.renewedAt + age - performance.now()));
    // What is said now is what the client knows in the next burst.
    wire.tellsExpiry = plan[index + 1]?.isKnown ?? true;
    const entry = journal.begin(title);
    const patienceEnds = delay<false>(patience, false, { ref: false });
    await Promise.all(
      Array.from({ length: size }, (_, number) => ask(client, pathOf(index, number), number, patienceEnds)),
    );
    ended(entry, index);
  }
}

async function ask(client: Client, path: string, number: number, patienceEnds: Promise<false>) {
  const { api, account, turns, wire, journal } = client;
  const { transport, get } = turns[number % turns.length] as Turn;
  await delay(Math.max(0, Math.ceil((number + 1 - together) / wave)) * pause);
  const start = performance.now();
  wire.made(api + path);
  const isAnswered = await Promise.race([answers(get(path), { account, path }), patienceEnds]);
  journal.note(isAnswered ? "answered" : "lost", start, transport);
}

// Every fifth takes its time before the server looks at the token: its 401 comes late.
function pathOf(burst: number, number: number): string {
  const request = `request=${burst}-${number}`;
  return number % 5 === 4 ? `/late?ms=${14 * (number + 1)}&${request}` : `/me?${request}`;
}

async function answers(answering: Promise<unknown>, expected: { account: string; path: string }) {
  try {
    const { account, path } = (await answering) as Record<string, unknown>;
    return account === expected.account && path === expected.path;
  } catch {
    return false;
  }
}
