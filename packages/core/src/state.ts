import type { RefreshRejectedError } from "./errors.ts";
import type { Machine } from "./machine.ts";
import type { TokenSet } from "./tokens.ts";

/** An immutable snapshot of a session. */
export type SessionState =
  | { readonly status: "loading" }
  /** With an error: the refresh token was rejected. */
  | { readonly status: "signedOut"; readonly error?: RefreshRejectedError }
  | { readonly status: "signedIn"; readonly tokens: TokenSet; readonly refreshing: boolean };

/** What users see of the machine: the same object as before, unless something of it has changed. */
export function snapshot(machine: Machine, before?: SessionState): SessionState {
  const state = stateOf(machine);
  return before && isSame(state, before) ? before : Object.freeze(state);
}

function stateOf({ status, record, round, rejected }: Machine): SessionState {
  if (record && status !== "restoring") {
    return { status: "signedIn", tokens: record.tokens, refreshing: round !== null };
  }
  if (status === "signedOut" || status === "closed") {
    return rejected ? { status: "signedOut", error: rejected.error } : { status: "signedOut" };
  }
  return { status: "loading" };
}

function isSame(one: SessionState, other: SessionState): boolean {
  const fields = Object.entries(one);
  return (
    fields.length === Object.keys(other).length &&
    fields.every(([name, value]) => other[name as keyof SessionState] === value)
  );
}
