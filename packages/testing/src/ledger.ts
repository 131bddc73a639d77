import { type Entry, entriesAt, type RequestEntry } from "./log.ts";

/** The whole account of a test in one plain object, to compare at once. */
export interface Ledger {
  readonly signIns: number;
  /** Requests that reached the token endpoint, whatever became of them. */
  readonly attempts: number;
  /** Attempts that issued tokens, also where the answer was lost on its way. */
  readonly refreshes: number;
  /** Attempts with a refresh token that had been redeemed before, outside any grace. */
  readonly reuses: number;
  /** Requests that reached the revocation endpoint. */
  readonly revocations: number;
  /** Requests that reached the resource server: refusals + answers + unanswered. */
  readonly requests: number;
  /** Requests that the resource server answered with 401. */
  readonly refusals: number;
  /** Requests that the resource server answered with anything else. */
  readonly answers: number;
  /** Requests to the resource server that were reset or aborted, or are still pending. */
  readonly unanswered: number;
}

/** Adds up a server's log. There are no counters beside the log: what is not in it did not happen. */
export function ledger(log: readonly Entry[]): Ledger {
  const attempts = entriesAt(log, "token");
  const requests = entriesAt(log, "resource");
  return {
    signIns: entriesAt(log, "signIn").length,
    attempts: attempts.length,
    refreshes: attempts.filter((attempt) => attempt.issued !== undefined).length,
    reuses: attempts.filter((attempt) => attempt.outcome === "reused").length,
    revocations: entriesAt(log, "revoke").length,
    requests: requests.length,
    refusals: requests.filter(isRefused).length,
    answers: requests.filter((request) => isAnswered(request) && !isRefused(request)).length,
    unanswered: requests.filter((request) => !isAnswered(request)).length,
  };
}

function isRefused(request: RequestEntry): boolean {
  return request.status === 401;
}

function isAnswered(request: RequestEntry): boolean {
  return typeof request.status === "number";
}
