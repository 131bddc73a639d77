import type { Ledger } from "@freshtoken/authorization-server";
import type { Figures } from "./figures.ts";

type Judged = Pick<Figures, "requests" | "answered" | "refreshes" | "reused" | "unhandled">;

/**
 * Tells whether every request was answered, with as many refreshes as tokens expired, no refresh token was seen twice,
 * and no rejection was left unhandled.
 */
export function isFlawless(
  { requests, answered, refreshes, reused, unhandled }: Judged,
  expiries: number,
): boolean {
  const isAnswered = requests > 0 && answered === requests;
  return isAnswered && refreshes === expiries && reused === 0 && unhandled === 0;
}

/** Says in words what came of the requests. */
export function verdict({ requests, answered, refreshes, reused }: Judged, expiries: number): string {
  const lost = requests - answered;
  return [
    lost === 0 ? `All ${requests} answered` : `Lost ${lost} of ${requests}`,
    `${plural(refreshes, "refresh", "refreshes")} for ${plural(expiries, "expiry", "expiries")}`,
    `${reused === 0 ? "no refresh token" : plural(reused, "refresh token", "refresh tokens")} seen twice.`,
  ].join("; ");
}

/** Says in words what the authorization server knows of our signing out: nobody else does. */
export function ending({ revocations }: Ledger): string {
  const isRevoked = revocations.some(({ because }) => because === "request");
  return `Freshtoken signed in through @freshtoken/oauth and out again; its tokens are ${isRevoked ? "revoked" : "NOT revoked"}.`;
}

function plural(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}
