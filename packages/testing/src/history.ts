import type { Entry, Issued, RequestEntry, ResourceRequest, TokenRequest } from "./log.ts";

/**
 * What a history keeps.
 *
 * `reuse`: no refresh token is presented that was rotated away, outside any grace. `read`: after an answer that was read, its
 * refresh token is never presented again by the same client; `turns`: nor by another. `pace`: of the attempts of one round
 * only one follows a lost answer at once. `winner`: of all token sets that one refresh token brought, one is used.
 * `older`: who has used a newer token set, or another sign-in's, uses no older one, and none that it has revoked.
 * `replay`: a refused request is sent again only with a newer token set. `sends`: no request is sent more than three times.
 * `family`: a request carries tokens of the sign-in that it was made under.
 */
export type HistoryRule =
  | "reuse"
  | "read"
  | "turns"
  | "pace"
  | "winner"
  | "older"
  | "replay"
  | "sends"
  | "family";

/** What a server cannot see of a request. All of it is optional: without it, less is checked. */
export interface HistoryNote {
  /** Which client made it: a tab, a process. Absent: there is but one. */
  readonly by?: string;
  /** Which request it is a send of. Absent: `replay`, `sends` and `family` are not checked. */
  readonly request?: string;
  /** The sign-in that it was made under, 1, 2, 3 …; null: under none. */
  readonly family?: number | null | undefined;
  /** Which attempt of its round it is, from 1. With the times: `pace` is checked. */
  readonly attempt?: number;
  /** When it was sent, and when its client had done with it, in ms. */
  readonly sentAt?: number;
  readonly endedAt?: number | undefined;
}

export interface HistoryOptions {
  note?(entry: RequestEntry): HistoryNote | undefined;
  /** What this history need not keep. */
  readonly except?: readonly HistoryRule[];
}

export interface Violation {
  readonly rule: HistoryRule;
  /** Its place in the order of everything: the line of the story. */
  readonly place: number;
  /** What happened, as a sentence that begins with its place. */
  readonly what: string;
}

/** The token set that a token belongs to. */
interface TokenSet {
  readonly family: number;
  readonly generation: number;
  /** The refresh token that brought it, and was rotated away for it. */
  readonly from: string | undefined;
}

/** What a client has used so far. */
interface Client {
  family: number;
  readonly left: Set<number>;
  readonly revoked: Set<number>;
  readonly newest: Map<string, number>;
}

interface Sending {
  readonly count: number;
  readonly token: string;
}

interface Reading {
  readonly by: string | undefined;
  readonly place: number;
}

interface Presentation {
  readonly endedAt: number | undefined;
  /** Its round has followed a lost answer at once already. */
  readonly isRepeat: boolean;
}

const MAX_SENDS = 3;
// Half of the first back-off, which chance may halve.
const SHORTEST_BACK_OFF = 150;

/**
 * Finds what a server's log shows that must never happen, in one pass over it. Empty: nothing.
 *
 * @example
 * ```ts
 * import { createServer, violationsIn } from "@freshtoken/testing";
 *
 * expect(violationsIn(server.log)).toStrictEqual([]);
 * ```
 */
export function violationsIn(log: readonly Entry[], options: HistoryOptions = {}): Violation[] {
  const { note = () => undefined, except = [] } = options;
  const sets = tokenSetsIn(log);
  const clients = new Map<string | undefined, Client>();
  const winners = new Map<string, TokenSet>();
  const readings = new Map<string, Reading>();
  const presentations = new Map<string, Presentation>();
  const sendings = new Map<string, Sending>();
  const found: Violation[] = [];

  for (const [place, entry] of momentsOf(log)) {
    if (place === entry.arrived) arrived(entry, note(entry) ?? {});
    else answered(entry, note(entry) ?? {});
  }
  return found.filter(({ rule }) => !except.includes(rule));

  function add(rule: HistoryRule, place: number, what: string): void {
    found.push({ rule, place, what: `at ${place}: ${what}` });
  }

  function arrived(entry: RequestEntry, made: HistoryNote): void {
    const token = entry.at === "resource" ? entry.token : entry.presented;
    const set = sets.get(token ?? "");
    if (entry.at === "revoke") {
      if (set) clientOf(made.by).revoked.add(set.family);
      return;
    }
    if (token && set) used(token, set, entry, clientOf(made.by));
    if (entry.at === "token") presented(entry, made);
    else if (made.request !== undefined) sent(entry, made.request, made.family);
  }

  function answered(entry: RequestEntry, { by }: HistoryNote): void {
    if (entry.at !== "token" || entry.presented === undefined) return;
    const { presented, outcome, issued, status, answered: place = 0 } = entry;
    if (outcome === "reused") add("reuse", place, `${presented} is reused: it was rotated away before`);
    const isRead = typeof status === "number" && status < 300 && issued?.refresh !== undefined;
    if (isRead && !readings.has(presented)) readings.set(presented, { by, place });
  }

  function used(token: string, set: TokenSet, { arrived: place, at }: RequestEntry, client: Client): void {
    const { family, generation, from } = set;
    if (client.family !== family) client.left.add(client.family);
    client.family = family;
    if (client.left.has(family)) add("older", place, `${token} is used again, of a sign-in that was left`);
    if (client.revoked.has(family)) add("older", place, `${token} is used, of a sign-in that was revoked`);

    const kind = `${at} ${family}`;
    const newest = client.newest.get(kind) ?? generation;
    if (generation < newest) add("older", place, `${token} is used, after generation ${newest}`);
    client.newest.set(kind, Math.max(newest, generation));

    if (from === undefined) return;
    const winner = winners.get(from) ?? set;
    if (winner !== set)
      add("winner", place, `${token} is used, of the second token set that ${from} brought`);
    winners.set(from, winner);
  }

  function presented({ presented, arrived: place }: TokenRequest, made: HistoryNote): void {
    if (presented === undefined) return;
    const reading = readings.get(presented);
    const again = `${presented} is presented again, though its answer was read at ${reading?.place}`;
    if (reading && reading.by === made.by) add("read", place, again);
    else if (reading) add("turns", place, `${again} by ${reading.by}`);

    const name = `${made.by} ${presented}`;
    const before = presentations.get(name);
    const pause = Number(made.sentAt) - Number(before?.endedAt);
    const isAtOnce = Number(made.attempt) > 1 && pause < SHORTEST_BACK_OFF;
    if (before?.isRepeat && isAtOnce)
      add("pace", place, `${presented} is presented at once a second time, ${pause} ms after a loss`);
    const isRepeat = isAtOnce || (Number(made.attempt) > 1 && before?.isRepeat === true);
    presentations.set(name, { endedAt: made.endedAt, isRepeat });
  }

  function sent(entry: ResourceRequest, request: string, family: number | null | undefined): void {
    const { arrived: place, token = "no token" } = entry;
    const before = sendings.get(request);
    const count = (before?.count ?? 0) + 1;
    sendings.set(request, { count, token });
    if (count > MAX_SENDS) add("sends", place, `${request} is sent for the ${count}th time`);

    const isNewer = Number(sets.get(token)?.generation) > Number(sets.get(before?.token ?? "")?.generation);
    if (before && !isNewer)
      add("replay", place, `${request} is sent again with ${token}, after ${before.token}`);

    const carried = sets.get(token)?.family ?? null;
    if (family !== undefined && carried !== family)
      add(
        "family",
        place,
        `${request}, made under ${signIn(family)}, is sent with ${token} of ${signIn(carried)}`,
      );
  }

  function clientOf(by: string | undefined): Client {
    const client = clients.get(by) ?? { family: 0, left: new Set(), revoked: new Set(), newest: new Map() };
    clients.set(by, client);
    return client;
  }
}

function tokenSetsIn(log: readonly Entry[]): Map<string, TokenSet> {
  const sets = new Map<string, TokenSet>();
  const renewals = new Map<string, number>();

  function add({ access, refresh }: Issued, set: TokenSet): void {
    sets.set(access, set);
    if (refresh !== undefined) sets.set(refresh, set);
  }

  for (const entry of log) {
    if (entry.at === "signIn") add(entry.issued, { family: entry.family, generation: 0, from: undefined });
    if (entry.at !== "token" || !entry.issued || entry.presented === undefined) continue;
    const { presented, issued, family = 0 } = entry;
    const isRotated = issued.refresh !== undefined;
    // Where the refresh token stays in use, each renewal is one generation more.
    const renewed = isRotated ? 1 : (renewals.get(presented) ?? 0) + 1;
    renewals.set(presented, renewed);
    const generation = (sets.get(presented)?.generation ?? 0) + renewed;
    add(issued, { family, generation, from: isRotated ? presented : undefined });
  }
  return sets;
}

/** Arrivals and answers of requests, in the order they happened. */
function momentsOf(log: readonly Entry[]): [place: number, entry: RequestEntry][] {
  const moments: [number, RequestEntry][] = [];
  for (const entry of log) {
    if ("happened" in entry) continue;
    moments[entry.arrived] = [entry.arrived, entry];
    if (entry.answered !== undefined) moments[entry.answered] = [entry.answered, entry];
  }
  // What the test did itself left holes.
  return moments.filter(() => true);
}

function signIn(family: number | null): string {
  return family === null ? "none" : `sign-in ${family}`;
}
