import type { Ledger } from "@freshtoken/authorization-server";
import { type Client, lifetime } from "./bursts.ts";
import { count } from "./journal.ts";

/** What came of one client's bursts. */
export interface Figures {
  readonly requests: number;
  readonly answered: number;
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
    refusals: count(entries, "refused"),
    lateRefusals: wire.lateRefusals,
    replays: count(entries, "replayed"),
    refreshes: presented.length,
    needless: wire.agesAtRefresh.filter((age) => age < lifetime * 500).length,
    reused: new Set(presented.filter(({ again }) => again).map(({ token }) => token)).size,
    slowest: Math.max(...ended.map(({ at, until }) => until - at)),
  };
}
