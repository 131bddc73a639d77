import type { Ledger } from "@freshtoken/authorization-server";
import { type Client, lifetime } from "./bursts.ts";
import { count } from "./journal.ts";
import { type Transport, transports } from "./turns.ts";

/** What came of one client's bursts. */
export interface Figures {
  readonly requests: number;
  readonly answered: number;
  /** The same of each transport. */
  readonly turns: readonly { transport: Transport; requests: number; answered: number }[];
  readonly refusals: number;
  /** Those of a token that the client had replaced by then. */
  readonly lateRefusals: number;
  readonly replays: number;
  /** As the authorization server saw them. */
  readonly refreshes: number;
  /** Those in which the client's tokens were not yet through half their life. */
  readonly needless: number;
  /** How many refresh tokens the authorization server saw twice, or more often. */
  readonly reused: number;
  /** Rejections that its code left unhandled. */
  readonly unhandled: number;
  /** Milliseconds. */
  readonly slowest: number;
}

export function figuresOf({ account, journal, wire }: Client, ledger: Ledger): Figures {
  const { entries } = journal;
  const presented = ledger.presentations.filter((presentation) => presentation.account === account);
  const ended = entries.flatMap(({ marks }) =>
    marks.filter(({ what }) => what === "answered" || what === "lost"),
  );
  return {
    requests: ended.length,
    answered: count(entries, "answered"),
    turns: transports.map((transport) => ({
      transport,
      requests: count(entries, "answered", transport) + count(entries, "lost", transport),
      answered: count(entries, "answered", transport),
    })),
    refusals: count(entries, "refused"),
    lateRefusals: wire.lateRefusals,
    replays: count(entries, "replayed"),
    refreshes: presented.length,
    needless: wire.agesAtRefresh.filter((age) => age < lifetime * 500).length,
    reused: new Set(presented.filter(({ again }) => again).map(({ token }) => token)).size,
    unhandled: count(entries, "unhandled"),
    slowest: Math.max(...ended.map(({ at, until }) => until - at)),
  };
}
