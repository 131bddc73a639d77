import {
  closedError,
  type RefreshFailedError,
  type RefreshRejectedError,
  refreshFailedError,
  refreshRejectedError,
  signedOutError,
} from "./errors.ts";
import type { Reason, SessionEvent } from "./events.ts";
import type { Settings } from "./options.ts";
import { type SessionRecord, sameRecord } from "./store.ts";
import { freshness } from "./tokens.ts";

// What is known of the session:
//
//   unread ── reload ──▶ loading ──┬─ nothing ─────▶ signedOut ◀── signOut · rejected · another's sign-out
//      ▲                    │      ├─ restore ─────▶ restoring ──┬─ rejected ──▶ signedOut
//      └──── readFailed ────┘      │                             └─ renewed ──▶ signedIn
//                                  ├─ a record, or a cookie ──▶ signedIn ◀── another's sign-in
//                                  ▼ first tokens
//                     signIn ──▶ storing ── saved, or said not to be ──▶ signedIn         close ──▶ closed
//
// Beside it, in `restoring` and `signedIn`, at most one round is in flight.

/** One refresh as its callers see it. */
export interface Round {
  readonly reason: Reason;
  /** What it renews; while restoring, generation −1 of a family to come. */
  readonly from: SessionRecord;
}

/** After a failed round: how long stale tokens fail at once. */
interface CoolDown {
  readonly error: RefreshFailedError;
  readonly since: number;
  readonly ms: number;
  /** How many rounds have failed in a row. */
  readonly rounds: number;
}

export interface Machine {
  readonly status: "unread" | "loading" | "restoring" | "signedOut" | "storing" | "signedIn" | "closed";
  /** What is served. Set exactly in restoring, storing and signedIn. */
  readonly record: SessionRecord | null;
  /** What the store held when last heard of. Undefined: a sign-in or sign-out of ours is to overwrite it, whatever it is. */
  readonly stored: SessionRecord | null | undefined;
  /** Set exactly while a refresh of the present family is in flight. */
  readonly round: Round | null;
  /** The present generation was refused by a resource server. */
  readonly refused: boolean;
  readonly coolDown: CoolDown | null;
  /** When refusals have caused rounds. */
  readonly refusals: readonly number[];
  /** The family that a rejection ended, until the next sign-in. */
  readonly rejected: { readonly family: string; readonly error: RefreshRejectedError } | null;
}

/** How a round ended. */
export type Outcome =
  | { readonly type: "renewed"; readonly record: SessionRecord; readonly stored: boolean }
  /** Another's record took its place, and was told in an input of its own. */
  | { readonly type: "overtaken" }
  | {
      readonly type: "failed";
      readonly what: string;
      readonly cause: Error | undefined;
      readonly retryAfter?: number | undefined;
      /** The server rotated the refresh token although its answer cannot be used: the next round needs it. */
      readonly rotated?: { readonly record: SessionRecord; readonly stored: boolean } | undefined;
    }
  | {
      readonly type: "rejected";
      readonly what: string;
      readonly cause: Error | undefined;
      readonly stored: boolean;
    };

export type Input =
  | { readonly type: "reload" }
  /** The first look into the store. `first`: what an empty one starts with, unless null. */
  | {
      readonly type: "read";
      readonly record: SessionRecord | null;
      readonly first: First | null;
      readonly now: number;
    }
  | { readonly type: "readFailed"; readonly error: RefreshFailedError }
  /** A later look into the store. */
  | { readonly type: "found"; readonly record: SessionRecord | null }
  /** Somebody needs a refresh. */
  | { readonly type: "needed"; readonly reason: Reason; readonly now: number }
  /** A request that was sent with this generation was refused. */
  | { readonly type: "refused"; readonly family: string; readonly generation: number; readonly now: number }
  | { readonly type: "ended"; readonly round: Round; readonly outcome: Outcome; readonly now: number }
  /** An attempt that was given up renewed the tokens after all. */
  | { readonly type: "renewedLate"; readonly record: SessionRecord; readonly stored: boolean }
  | { readonly type: "signIn"; readonly record: SessionRecord }
  | { readonly type: "signOut" }
  /** A write has ended: it is stored, or `storeFailed` was said. */
  | { readonly type: "saved"; readonly record: SessionRecord | null; readonly stored: boolean }
  | { readonly type: "close" };

/** What an empty store starts with: tokens to store, a session that needs none, or a refresh to try. */
export interface First {
  readonly record: SessionRecord;
  readonly status: "storing" | "signedIn" | "restoring";
}

export type Effect =
  | { readonly type: "load" }
  /** Writes what is served, or that nobody is, where the store holds what is thought to be `stored`. */
  | { readonly type: "save"; readonly record: SessionRecord | null }
  | { readonly type: "renew"; readonly round: Round }
  /** The round is no longer ours: end its exclusive section. Its attempt runs on. */
  | { readonly type: "overtake" }
  /** Those who wait judge anew. */
  | { readonly type: "wake" }
  /** Rejects those who wait for a token set newer than `through`, or than an older one; without it, all. */
  | { readonly type: "fail"; readonly error: Error; readonly through?: number }
  | { readonly type: "emit"; readonly event: SessionEvent };

export type Policy = Pick<Settings, "leeway" | "refreshAhead" | "refusalLimit">;
export type Step = readonly [Machine, readonly Effect[]];

export const unread: Machine = {
  status: "unread",
  record: null,
  stored: null,
  round: null,
  refused: false,
  coolDown: null,
  refusals: [],
  rejected: null,
};

/** What a request that wants to leave now does; `first` is an input that comes before it. */
export type Admission =
  | { readonly type: "go"; readonly first?: Input }
  | { readonly type: "wait"; readonly first?: Input }
  | { readonly type: "fail"; readonly error: Error };

const WAKE: Effect = { type: "wake" };
const GO: Admission = { type: "go" };
const WAIT: Admission = { type: "wait" };

/** Decides whether a request leaves now. One that cannot be sent twice does not leave with an ageing token. */
export function admit(machine: Machine, replayable: boolean, now: number, policy: Policy): Admission {
  switch (machine.status) {
    case "unread":
      return { type: "wait", first: { type: "reload" } };
    case "loading":
    case "storing":
      return WAIT;
    case "restoring":
      return renewal(machine, "restore", now);
    case "signedOut":
    case "signedIn":
      return admitKnown(machine, replayable, now, policy);
    case "closed":
      return { type: "fail", error: closedError() };
  }
}

function admitKnown(machine: Machine, replayable: boolean, now: number, policy: Policy): Admission {
  const age = machine.record ? freshness(machine.record.tokens, now, policy) : "fresh";
  if (age === "stale") return renewal(machine, "stale", now);
  if (machine.round && (machine.refused || (age === "ageing" && !replayable))) return WAIT;
  if (age === "fresh" || machine.round || isCooling(machine, now)) return GO;
  return { type: replayable ? "go" : "wait", first: { type: "needed", reason: "ageing", now } };
}

function renewal(machine: Machine, reason: Reason, now: number): Admission {
  if (machine.round) return WAIT;
  const { coolDown } = machine;
  if (coolDown && isCooling(machine, now)) return { type: "fail", error: coolDown.error };
  return { type: "wait", first: { type: "needed", reason, now } };
}

/** Tells whether a failed round is still cooling down. A clock that was set back ends it. */
export function isCooling({ coolDown }: Machine, now: number): boolean {
  return coolDown !== null && isWithin(coolDown.since, coolDown.ms, now);
}

/** Tells whether the session is not known yet, and somebody is finding out. */
export function isPending({ status, round }: Machine): boolean {
  return status === "loading" || (status === "restoring" && round !== null);
}

/** What a request made now is stamped with: its family, `""` when signed out, undefined until that is known. */
export function familyOf({ status, record }: Machine): string | undefined {
  if (status === "signedOut") return "";
  return status === "restoring" ? undefined : record?.family;
}

/** Takes one input: returns the next machine, and the effects to carry out, in order. Pure. */
export function transition(machine: Machine, input: Input, policy: Policy): Step {
  switch (input.type) {
    case "reload":
      return machine.status === "unread"
        ? [{ ...machine, status: "loading" }, [{ type: "load" }]]
        : same(machine);
    case "read":
      return machine.status === "loading" ? read(machine, input) : same(machine);
    case "readFailed":
      if (machine.status !== "loading") return same(machine);
      return [{ ...machine, status: "unread" }, [{ type: "fail", error: input.error }]];
    case "found":
      return found(machine, input.record);
    case "needed":
      return needed(machine, input.reason, input.now);
    case "refused":
      return refused(machine, input, policy);
    case "ended":
      if (machine.round !== input.round) return same(machine);
      return ended(machine, input.round, input.outcome, input.now);
    case "renewedLate":
      if (!isNewer(input.record, machine)) return same(machine);
      return renewed(machine, input.record, "us", input.stored);
    case "signIn":
      return signedIn(machine, input.record);
    case "signOut":
      return signedOut(machine);
    case "saved":
      return saved(machine, input.record, input.stored);
    case "close":
      return [
        { ...unread, status: "closed" },
        [{ type: "overtake" }, { type: "fail", error: closedError() }],
      ];
  }
}

function same(machine: Machine): Step {
  return [machine, []];
}

function read(machine: Machine, { record, first, now }: Extract<Input, { type: "read" }>): Step {
  const loaded = emit({ type: "loaded" });
  if (record) return [{ ...machine, status: "signedIn", record, stored: record }, [loaded, WAKE]];
  if (!first) return [{ ...machine, status: "signedOut" }, [loaded, WAKE]];
  const begun: Machine = { ...machine, status: first.status, record: first.record };
  if (first.status === "restoring") return needed(begun, "restore", now);
  if (first.status === "signedIn") return [begun, [loaded, WAKE]];
  return [begun, [{ type: "save", record: first.record }, loaded]];
}

// What the store holds counts only where it is news: it may be what it was, or what we are about to overwrite.
function found(machine: Machine, record: SessionRecord | null): Step {
  const { status, stored } = machine;
  if (status === "unread" || status === "loading" || status === "closed") return same(machine);
  if (sameRecord(record, stored ?? null)) return same(machine);
  if (record && isNewer(record, machine)) return renewed(machine, record, "another", true);
  if (stored === undefined) return same(machine);
  if (record && record.family === machine.record?.family) return [{ ...machine, stored: record }, []];
  if (record) return takenOver(machine, record);
  return status === "signedOut" ? [{ ...machine, stored: null }, []] : endedElsewhere();
}

function takenOver(machine: Machine, record: SessionRecord): Step {
  // Who waits for a session to be restored was made under none.
  const leave: Effect =
    machine.status === "restoring" ? emit({ type: "loaded" }) : { type: "fail", error: signedOutError() };
  return [
    { ...unread, status: "signedIn", record, stored: record },
    [{ type: "overtake" }, leave, emit({ type: "signedIn", by: "another" }), WAKE],
  ];
}

function endedElsewhere(): Step {
  return [
    { ...unread, status: "signedOut" },
    [
      { type: "overtake" },
      { type: "fail", error: signedOutError() },
      emit({ type: "signedOut", by: "another" }),
    ],
  ];
}

function needed(machine: Machine, reason: Reason, now: number): Step {
  const { status, record, round } = machine;
  if (round || !record || (status !== "signedIn" && status !== "restoring")) return same(machine);
  if (reason !== "requested" && isCooling(machine, now)) return same(machine);
  const begun: Round = { reason, from: record };
  return [
    { ...machine, round: begun },
    [{ type: "renew", round: begun }, emit({ type: "refreshStarted", reason, attempt: 1 })],
  ];
}

function refused(machine: Machine, input: Extract<Input, { type: "refused" }>, policy: Policy): Step {
  const { record, round } = machine;
  if (machine.status !== "signedIn" || !record) return same(machine);
  if (record.family !== input.family || record.generation !== input.generation) return same(machine);
  const marked: Machine = { ...machine, refused: true };
  if (round || isCooling(machine, input.now)) return same(marked);
  const recent = recentRefusals(machine, input.now, policy);
  if (policy.refusalLimit && recent.length >= policy.refusalLimit.max) {
    return [marked, [emit({ type: "refreshSuppressed" })]];
  }
  return needed({ ...marked, refusals: [...recent, input.now] }, "refused", input.now);
}

function recentRefusals({ refusals }: Machine, now: number, { refusalLimit }: Policy): readonly number[] {
  return refusalLimit ? refusals.filter((at) => isWithin(at, refusalLimit.within, now)) : [];
}

function ended(machine: Machine, { from }: Round, outcome: Outcome, now: number): Step {
  const idle: Machine = { ...machine, round: null };
  // Newer tokens came meanwhile: whatever became of the old ones is of no account.
  if (outcome.type === "overtaken" || !sameRecord(machine.record, from)) return [idle, [WAKE]];
  switch (outcome.type) {
    case "renewed":
      return renewed(idle, outcome.record, "us", outcome.stored);
    case "failed":
      return failed(idle, from.generation, outcome, now);
    case "rejected":
      return rejected(machine, from.family, outcome);
  }
}

function renewed(machine: Machine, record: SessionRecord, by: "us" | "another", stored: boolean): Step {
  const served: Machine = {
    ...machine,
    status: "signedIn",
    record,
    stored: stored ? record : machine.stored,
    refused: false,
    coolDown: null,
  };
  const restored = machine.status === "restoring" ? [emit({ type: "loaded" })] : [];
  return [served, [...restored, emit({ type: "refreshed", by }), WAKE]];
}

// Only those who waited for this round fail; who waits for something newer judges anew, and may start the next.
function failed(
  machine: Machine,
  through: number,
  outcome: Extract<Outcome, { type: "failed" }>,
  now: number,
): Step {
  const rounds = (machine.coolDown?.rounds ?? 0) + 1;
  const ms = Math.max(
    Math.min(1000 * 2 ** (rounds - 1), 30_000),
    Math.min(outcome.retryAfter ?? 0, 3_600_000),
  );
  const error = refreshFailedError(outcome.what, now + ms, outcome.cause);
  const { record = machine.record, stored = false } = outcome.rotated ?? {};
  return [
    {
      ...machine,
      record,
      stored: stored ? record : machine.stored,
      coolDown: { error, since: now, ms, rounds },
    },
    [{ type: "fail", error, through }, emit({ type: "refreshFailed", error }), WAKE],
  ];
}

function rejected(machine: Machine, family: string, outcome: Extract<Outcome, { type: "rejected" }>): Step {
  const stored = outcome.stored ? null : machine.stored;
  if (machine.status === "restoring") {
    return [{ ...unread, status: "signedOut", stored }, [emit({ type: "loaded" }), WAKE]];
  }
  const error = refreshRejectedError(outcome.what, outcome.cause);
  return [
    { ...unread, status: "signedOut", stored, rejected: { family, error } },
    [{ type: "fail", error }, emit({ type: "signedOut", by: "us", error })],
  ];
}

function signedIn(machine: Machine, record: SessionRecord): Step {
  if (machine.status === "closed") return same(machine);
  return [
    { ...unread, status: "storing", record, stored: undefined },
    [
      { type: "overtake" },
      { type: "fail", error: signedOutError() },
      { type: "save", record },
      emit({ type: "signedIn", by: "us" }),
    ],
  ];
}

function signedOut(machine: Machine): Step {
  const { status, stored } = machine;
  if (status === "closed" || (status === "signedOut" && stored === null)) return same(machine);
  const save: Effect = { type: "save", record: null };
  // What a rejection could not remove, a peer may have renewed since.
  if (status === "signedOut") return [{ ...machine, stored: undefined }, [save]];
  return [
    { ...unread, status: "signedOut", stored: undefined },
    [
      { type: "overtake" },
      { type: "fail", error: signedOutError() },
      save,
      emit({ type: "signedOut", by: "us" }),
    ],
  ];
}

// Also what is not served yet: a round tells its end later, outside the exclusive section.
function saved(machine: Machine, record: SessionRecord | null, stored: boolean): Step {
  if (record?.family !== machine.record?.family) return same(machine);
  const known = stored ? record : machine.stored;
  const isWaitedFor = machine.status === "storing" && sameRecord(record, machine.record);
  if (!isWaitedFor) return [{ ...machine, stored: known }, []];
  return [{ ...machine, status: "signedIn", stored: known }, [WAKE]];
}

function isNewer(record: SessionRecord, { record: present }: Machine): boolean {
  return record.family === present?.family && record.generation > present.generation;
}

// Also false where the clock was set back behind `since`.
function isWithin(since: number, ms: number, now: number): boolean {
  return now >= since && now < since + ms;
}

function emit(event: SessionEvent): Effect {
  return { type: "emit", event };
}
