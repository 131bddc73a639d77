import type { HistoryRule } from "../history.ts";
import type { Stage, StageOptions } from "./stage.ts";
import type { Ability, AdapterSubject } from "./subject.ts";

/** One promise of every adapter. */
export interface Case {
  readonly title: string;
  /** What a client must be able to do for it. */
  readonly needs?: Ability;
  /** What the history of its servers need not keep. */
  readonly except?: readonly HistoryRule[];
  run(open: (options?: StageOptions) => Promise<Stage>, subject: AdapterSubject): Promise<void>;
}

/** How a promise ends, as a value. */
export function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: unknown) => error,
  );
}

/** `"aborted"` where that is how a request ended, else what it ended with, to show. */
export function abortIn(outcome: unknown, reason: unknown, { isAbort = Object.is }: AdapterSubject): unknown {
  return isAbort(outcome, reason) ? "aborted" : outcome;
}

/** The code and name of the session's error in what a request rejected with. */
export async function failureOf(promise: Promise<unknown>, subject: AdapterSubject): Promise<unknown> {
  const error = await outcomeOf(promise);
  const { name, code } = Object(subject.errorIn?.(error) ?? error);
  return { name, code };
}

export const signedOut = { name: "SignedOutError", code: "ERR_SIGNED_OUT" };
export const failed = { name: "RefreshFailedError", code: "ERR_REFRESH_FAILED" };
export const rejected = { name: "RefreshRejectedError", code: "ERR_REFRESH_REJECTED" };
