import type { SessionEvent, SessionRecord, SessionState } from "../../src/index.ts";
import { parse } from "./server.ts";
import { nameOf } from "./store.ts";

// Sees what crosses the border of a session, in the order in which it does, and says what must not have happened.

const DEADLINE = 10_000;
const OVERTAKEN = "a request made in the very microtasks in which the held are released leaves before them";
const UNHEARD = "a write that was called a failure has landed, and another goes on from it";
const SHORTEST_BACK_OFF = 150;

/** Somebody who asks: a request, tokens() or refresh(). */
export interface Call {
  readonly name: string;
  readonly kind: "request" | "tokens" | "refresh";
  readonly replayable: boolean;
  readonly signal: AbortSignal | undefined;
  /** The family it was made under; 0: none; undefined: not known then. */
  family: number | undefined;
  /** The refresh token of what was served when it was made. */
  readonly servedThen: string | undefined;
  readonly madeAt: number;
  readonly endingsThen: number;
  readonly heldThen: number;
  place: "inside" | "outside" | "settled";
  outcome: string | undefined;
  sends: number;
  /** Between which looks of ours it was sent first. */
  sentAt: number | undefined;
  lastToken: string | undefined;
  lastSerial: number;
  lastStatus: number;
  refusals: number;
  releases: number;
  /** It was refused, and waited then. */
  waited: boolean;
}

interface Attempt {
  readonly presented: string;
  readonly signal: AbortSignal;
  readonly at: number;
  isAnswered: boolean;
}

type Told = "renewed" | "unusable" | "failed" | "rejected" | "lost";

interface Presentation {
  state: "open" | "given up" | "lost" | "failed" | "read" | "read late";
  by: "us" | "another";
  at: number;
  /** When it was answered, or would be given up. */
  endedAt: number;
}

interface Writing {
  readonly name: string;
  readonly family: number;
  readonly at: number;
  isEnded: boolean;
}

/** What the witness looks at. */
export interface Scene {
  readonly maxHeld: number;
  readonly refusals: number;
  now(): number;
  elapsed(): number;
  state(): SessionState;
  owns(signal: AbortSignal): boolean;
}

export interface Witness {
  readonly story: string[];
  readonly violations: string[];
  readonly calls: Call[];
  readonly seen: Map<string, number>;
  readonly limits: Set<string>;
  /** What a limit has touched is no longer held to what it cannot promise. */
  readonly isTainted: boolean;
  note(line: string): void;
  saw(what: string): void;
  /** Something happened that cannot be promised not to. `taints`: from here on its consequences are no violations. */
  limited(what: string, taints?: boolean): void;
  violated(what: string): void;
  jumped(): void;
  closing(): void;
  signedIn(family: number): void;
  signedOut(): void;
  /** Somebody asks. */
  made(call: Pick<Call, "kind" | "replayable" | "signal">): Call;
  sent(call: Call, fields: Readonly<Record<string, string>>): void;
  answered(call: Call, status: number): void;
  released(call: Call): void;
  settled(call: Call, value: unknown, error?: unknown): void;
  asked(presented: string, expiresAt: number | undefined, attempt: number, signal: AbortSignal): Attempt;
  told(attempt: Attempt, what: Told): void;
  /** Another presents a refresh token. */
  askedByAnother(presented: string): void;
  revoked(refreshToken: string): void;
  saving(record: SessionRecord | null): (ended: "stored" | "lost" | "failed") => void;
  loading(): (ended: SessionRecord | null | "failed") => void;
  wrote(record: SessionRecord | null, before: SessionRecord | null): void;
  wroteElsewhere(record: SessionRecord | null): void;
  heard(event: SessionEvent): void;
  /** Looks at everything, now that nothing moves on its own. */
  inspect(): void;
  /** Looks at what should have come to an end. */
  concluded(): void;
}

export function createWitness(scene: Scene): Witness {
  const story: string[] = [];
  const violations: string[] = [];
  const calls: Call[] = [];
  const attempts: Attempt[] = [];
  const seen = new Map<string, number>();
  const limits = new Set<string>();
  const presentations = new Map<string, Presentation>();
  const known = new Set<string>();
  const refusedTokens = new Set<string>();
  const askedToRenew = new Set<string>();
  const ended = new Set<number>();
  // What a promise has come to, its caller hears some microtasks later.
  const endedJustNow = new Set<number>();
  const rejected = new Set<number>();
  // Families of which something has reached the store.
  const landed = new Set<number>();
  const writings: Writing[] = [];
  const confirmed = new Set<string>();
  // Writes that lost: who has won is not known until another look, and never where that fails.
  const losses: { readonly name: string; readonly at: number }[] = [];
  const loadings = new Set<{ readonly at: number }>();
  const failures: { readonly retryAt: number; readonly at: number }[] = [];
  const failedCalls: { readonly call: Call; readonly retryAt: number; readonly at: number }[] = [];
  const refusedRounds: number[] = [];
  let families = 0;
  let repeatsAtOnce = 0;
  let inspections = 0;
  let endings = 0;
  let served = 0;
  let suppressedAt = -1;
  let storeFailedAt = -1;
  let hasJumped = false;
  let isClosing = false;
  let isTainted = false;

  function note(line: string): void {
    story.push(`${(scene.elapsed() / 1000).toFixed(1)} s  ${line}`);
  }

  function saw(what: string): void {
    seen.set(what, (seen.get(what) ?? 0) + 1);
  }

  function violated(what: string): void {
    if (violations.includes(what)) return;
    note(`VIOLATION: ${what}`);
    violations.push(what);
  }

  function limited(what: string, taints = false): void {
    if (!limits.has(what)) note(`LIMIT: ${what}`);
    limits.add(what);
    isTainted ||= taints;
  }

  function tokensServed(): string | undefined {
    const state = scene.state();
    return state.status === "signedIn" ? state.tokens.refreshToken : undefined;
  }

  function end(family: number): void {
    if (family <= 0 || ended.has(family)) return;
    ended.add(family);
    endedJustNow.add(family);
  }

  function endAll(): void {
    endings++;
    refusedRounds.length = 0;
    for (let family = 1; family <= families; family++) end(family);
  }

  // What another has done becomes known by what is served.
  function observe(): void {
    const { status } = scene.state();
    const now = parse(tokensServed() ?? "0.r0").family;
    if (now > 0 && ended.has(now) && !isTainted) violated(`I6: family ${now} is served after it has ended`);
    if (now === served || status === "loading") return;
    end(served);
    endings++;
    refusedRounds.length = 0;
    served = now;
    families = Math.max(families, now);
  }

  function held(): number {
    return calls.filter(({ kind, place, sends }) => kind === "request" && place === "inside" && sends === 0)
      .length;
  }

  function isKnown(token: string): boolean {
    const late = ({ name, at, isEnded }: Writing) =>
      name === token && !isEnded && scene.elapsed() - at >= DEADLINE;
    const unseen = losses.some(({ name, at }) => name === token && scene.elapsed() - at >= DEADLINE);
    return known.has(token) || unseen || writings.some(late);
  }

  function made({ kind, replayable, signal }: Pick<Call, "kind" | "replayable" | "signal">): Call {
    observe();
    const state = scene.state();
    const token = tokensServed();
    const family =
      state.status === "loading" ? undefined : state.status === "signedOut" ? 0 : parse(token ?? "").family;
    const call: Call = {
      name: `${kind} ${calls.length + 1}`,
      kind,
      replayable,
      signal,
      family,
      servedThen: token,
      madeAt: scene.elapsed(),
      endingsThen: endings,
      heldThen: held(),
      place: "inside",
      outcome: undefined,
      sends: 0,
      sentAt: undefined,
      lastToken: undefined,
      lastSerial: -1,
      lastStatus: 0,
      refusals: 0,
      releases: 0,
      waited: false,
    };
    calls.push(call);
    if (kind === "refresh") askedToRenew.add(token ?? "unknown");
    note(`${call.name} is made under ${family ?? "what is not known yet"}${replayable ? "" : ", once only"}`);
    return call;
  }

  function sent(call: Call, fields: Readonly<Record<string, string>>): void {
    observe();
    const token = fields["refresh-token"];
    note(`${call.name} is sent with ${token ?? "nothing"}`);
    if (call.place === "settled") violated(`I4: ${call.name} is sent after it was settled`);
    if (call.signal?.aborted) violated(`I9: ${call.name} is sent after its abort`);
    if (call.refusals > call.releases && token && call.waited)
      violated(`I14: ${call.name} is replayed, and its refusal was never released`);
    if (++call.sends > 3) violated(`I5: ${call.name} is sent a fourth time`);
    call.place = "outside";
    call.sentAt ??= inspections;
    call.lastToken = token;
    if (!token) {
      if (call.family)
        violated(`I15: ${call.name} was made under ${call.family} and is sent without a token`);
      call.family = 0;
      saw("sent without a token");
      return;
    }
    judgeToken(call, token, fields);
    call.lastSerial = parse(token).serial;
    if (call.sends > 1) saw("replayed");
  }

  function judgeToken(call: Call, token: string, fields: Readonly<Record<string, string>>): void {
    const { family, serial } = parse(token);
    call.family ??= family;
    if (call.family !== family)
      violated(`I15: ${call.name} was made under ${call.family} and is sent under ${family}`);
    if (ended.has(family) && !isTainted) violated(`I6: ${call.name} is sent under a family that has ended`);
    if (call.sends > 1 && serial <= call.lastSerial)
      violated(`I3: ${call.name} is replayed with what was refused`);
    if (!isKnown(token)) violated(`I7: ${call.name} leaves with ${token} before that is stored`);
    // What has waited for its round goes with what that round brought.
    if (scene.now() > Number(fields["stale-at"]) && !call.waited)
      violated(`rule 3: ${call.name} is sent with a stale token`);
    const overtaker = call.sends === 1 && call.replayable && !hasJumped && overtakes(call);
    if (overtaker && overtaker.sentAt === inspections) limited(OVERTAKEN);
    else if (overtaker) violated(`I10: ${overtaker.name} has overtaken ${call.name}`);
  }

  function overtakes(call: Call): Call | undefined {
    return calls.find(
      (other) =>
        other.kind === "request" &&
        other.replayable &&
        other.lastToken !== undefined &&
        other.family === call.family &&
        calls.indexOf(other) > calls.indexOf(call),
    );
  }

  function settled(call: Call, value: unknown, error?: unknown): void {
    observe();
    if (call.place === "settled") violated(`I4: ${call.name} settles twice`);
    call.place = "settled";
    const outcome = outcomeOf(call, value, error);
    call.outcome = outcome;
    note(`${call.name} ends: ${outcome}`);
    saw(`${call.kind}: ${outcome}`);
    const objection = objectionTo(call, outcome, value, error);
    if (objection) violated(`${call.name} must not end with ${outcome}: ${objection}`);
  }

  function outcomeOf(call: Call, value: unknown, error: unknown): string {
    if (error === undefined) return call.kind === "request" ? String(value) : "tokens";
    return call.signal?.aborted && error === call.signal.reason ? "aborted" : Object(error).name;
  }

  function objectionTo(call: Call, outcome: string, value: unknown, error: unknown): string | undefined {
    const { family = 0 } = call;
    switch (outcome) {
      case "200":
      case "401":
        if (call.lastStatus !== Number(outcome)) return "the server answered something else";
        return outcome === "401" && !isExplained(call) ? "new tokens could have cured it" : undefined;
      case "tokens":
        return objectionToTokens(call, String(Object(value).refreshToken));
      case "aborted":
        return undefined;
      case "SignedOutError":
        if (isClosing || ended.has(family) || endings > call.endingsThen) return undefined;
        return call.kind !== "request" && family === 0 ? undefined : "nobody has ended its session";
      case "RefreshRejectedError":
        if (call.kind !== "request" && family === 0 && rejected.size > 0) return undefined;
        return rejected.has(family) || (call.family === undefined && rejected.size > 0)
          ? undefined
          : "nothing was rejected";
      case "RefreshFailedError":
        failedCalls.push({ call, retryAt: Object(error).retryAt, at: scene.now() });
        return undefined;
      case "NotReplayableError":
        return !call.replayable && call.lastStatus === 401 ? undefined : "it could be sent again";
      case "QueueFullError":
        return call.heldThen >= scene.maxHeld ? undefined : "the queue has room";
      default:
        return `that is no way to end: ${String(Object(error).stack ?? error)}`;
    }
  }

  function isExplained(call: Call): boolean {
    if (call.family === 0 || call.sends === 3 || rejected.has(call.family ?? 0)) return true;
    return suppressedAt >= call.madeAt || (call.sends > 1 && call.waited);
  }

  function objectionToTokens(call: Call, token: string): string | undefined {
    const { family, serial } = parse(token);
    if (call.family !== undefined && call.family !== family) return "they are of another family";
    if (ended.has(family) && !endedJustNow.has(family) && !isTainted) return "that family has ended";
    if (!isKnown(token)) return `I7: ${token} is not stored yet`;
    if (call.kind === "refresh" && call.servedThen && serial <= parse(call.servedThen).serial)
      return "they are no newer";
    return undefined;
  }

  function asked(
    presented: string,
    expiresAt: number | undefined,
    attempt: number,
    signal: AbortSignal,
  ): Attempt {
    observe();
    note(`refresh is called with ${presented}`);
    saw("refresh called");
    const { family } = parse(presented);
    const beside = attempts.find(
      (other) => !other.isAnswered && !other.signal.aborted && parse(other.presented).family === family,
    );
    if (beside) violated(`I1: ${presented} is presented beside ${beside.presented}`);
    if (ended.has(family) && !isTainted) violated(`I6: family ${family} is refreshed after it has ended`);
    if (calls.some((call) => call.signal === signal)) violated("rule 7: an attempt has its caller's signal");
    attempts.forEach(giveUp);
    judgeCause(presented, expiresAt, attempt);
    judgeRepeat(presented, attempt);
    present(presented, "us");
    const made = { presented, signal, at: scene.elapsed(), isAnswered: false };
    attempts.push(made);
    return made;
  }

  function judgeCause(presented: string, expiresAt: number | undefined, attempt: number): void {
    const isOld = expiresAt !== undefined && expiresAt - scene.now() < 60_000;
    const isWanted =
      refusedTokens.has(presented) || askedToRenew.has(presented) || askedToRenew.has("unknown");
    if (!isOld && !isWanted && attempt === 1 && !hasJumped && !isTainted)
      violated(`rule 1: ${presented} is redeemed, and nothing needed it`);
  }

  // After a loss once at once, else by back-off.
  function judgeRepeat(presented: string, attempt: number): void {
    if (attempt === 1) repeatsAtOnce = 0;
    const before = presentations.get(presented);
    if (attempt === 1 || before?.by !== "us" || scene.elapsed() - before.endedAt >= SHORTEST_BACK_OFF) return;
    const isLost = before.state === "lost" || before.state === "given up";
    if (!isLost || ++repeatsAtOnce > 1) violated(`I2: ${presented} is presented again without a pause`);
    saw("repeated at once");
  }

  function present(presented: string, by: "us" | "another"): void {
    const before = presentations.get(presented);
    presentations.set(presented, {
      state: "open",
      by,
      at: scene.elapsed(),
      endedAt: scene.elapsed() + DEADLINE,
    });
    if (!before) return;
    if (before.state === "given up" || before.state === "lost") {
      saw("presented again after a loss");
    } else if (before.state !== "failed" && !isTainted) {
      violated(`I2: ${presented} is presented again after it was ${before.state} by ${before.by}`);
    }
  }

  function told(attempt: Attempt, what: Told): void {
    observe();
    attempt.isAnswered = true;
    const isLate = attempt.signal.aborted;
    note(`${isLate ? "late, " : ""}${attempt.presented} is answered: ${what}`);
    saw(`refresh: ${what}${isLate ? ", late" : ""}`);
    const presentation = presentations.get(attempt.presented);
    if (presentation && !isLate) presentation.endedAt = scene.elapsed();
    const isRead = what === "renewed" || what === "unusable";
    if (presentation && isRead) presentation.state = isLate ? "read late" : "read";
    else if (presentation && !isLate) presentation.state = what === "lost" ? "lost" : "failed";
    if (what !== "rejected" || isLate) return;
    const { family } = parse(attempt.presented);
    rejected.add(family);
    if (!landed.has(family))
      limited("a sign-in is rejected that could not be stored: the store keeps what it was to replace", true);
  }

  function saving(record: SessionRecord | null): (how: "stored" | "lost" | "failed") => void {
    observe();
    const name = nameOf(record);
    const { family } = parse(record ? name : "0.r0");
    note(`save ${name}`);
    if (ended.has(family) && !isTainted) violated(`I6: ${name} is stored after its family has ended`);
    const writing: Writing = { name, family, at: scene.elapsed(), isEnded: false };
    if (writings.some((other) => !other.isEnded && scene.elapsed() - other.at < DEADLINE))
      violated(`rule 8: two writes at a time, the second of ${name}`);
    writings.push(writing);
    return (how) => {
      writing.isEnded = true;
      note(`save ${name}: ${how}`);
      saw(`save: ${how}${scene.elapsed() - writing.at >= DEADLINE ? ", late" : ""}`);
      if (how === "stored" && scene.elapsed() - writing.at < DEADLINE) confirmed.add(name);
      if (how === "lost") losses.push({ name, at: scene.elapsed() });
      if (how !== "lost" || scene.elapsed() - writing.at >= DEADLINE) known.add(name);
    };
  }

  function wrote(record: SessionRecord | null, before: SessionRecord | null): void {
    const name = nameOf(record);
    note(`the store holds ${name}`);
    landed.add(parse(name).family);
    const tries = writings.filter((writing) => writing.name === name);
    const isLate = tries.some(({ at, isEnded }) => !isEnded && scene.elapsed() - at >= DEADLINE);
    const isOlder =
      before?.family === record?.family && Number(before?.generation) > Number(record?.generation);
    const isForeign = before !== null && before.family !== record?.family;
    if (isLate && (isForeign || writings.at(-1)?.name !== name))
      limited("a write that was given up on lands over a later one", true);
    else if (isOlder && tries.length > 1) limited(UNHEARD, true);
    else if (isOlder) violated(`rule 22: ${name} is written over ${nameOf(before)}`);
  }

  function heard(event: SessionEvent): void {
    note(`event ${event.type}${"by" in event ? ` by ${event.by}` : ""}`);
    saw(`event: ${event.type}${"by" in event ? ` by ${event.by}` : ""}`);
    if (event.type === "refreshFailed") failures.push({ retryAt: event.error.retryAt, at: scene.elapsed() });
    if (event.type === "refreshSuppressed") suppressedAt = scene.elapsed();
    if (event.type === "storeFailed") {
      storeFailedAt = scene.elapsed();
      for (const { name } of losses) known.add(name);
    }
    if (event.type === "refreshStarted") saw(`round: ${event.reason}`);
    if (event.type === "refreshStarted" && event.reason === "refused" && event.attempt === 1) judgeRefusals();
  }

  function judgeRefusals(): void {
    refusedRounds.push(scene.now());
    const recent = refusedRounds.filter((at) => scene.now() - at < 30_000);
    if (recent.length > scene.refusals && !hasJumped)
      violated(`I11: ${recent.length} rounds in 30 s that refusals caused`);
  }

  function inspect(): void {
    inspections++;
    endedJustNow.clear();
    observe();
    for (const attempt of attempts) judgeSignal(attempt);
    for (const call of calls) if (call.place === "inside") judgeWait(call);
    if (held() > scene.maxHeld) violated(`I10: ${held()} requests are held`);
  }

  function giveUp({ signal, at, presented, isAnswered }: Attempt): void {
    if (!signal.aborted || isAnswered) return;
    const presentation = presentations.get(presented);
    if (presentation?.state === "open" && presentation.at === at) presentation.state = "given up";
    if (scene.elapsed() - at < DEADLINE) violated(`rule 7: the attempt with ${presented} is aborted`);
  }

  function judgeSignal(attempt: Attempt): void {
    const { signal, presented, isAnswered } = attempt;
    giveUp(attempt);
    if (!isAnswered && !scene.owns(signal))
      violated(`rule 18: the signal of the attempt with ${presented} is unknown`);
  }

  // Nobody waits who has nothing to wait for.
  function judgeWait(call: Call): void {
    const state = scene.state();
    call.waited ||= call.sends > 0;
    if (call.refusals > call.releases) violated(`I14: ${call.name} waits with its refusal unreleased`);
    if (call.signal?.aborted) violated(`rule 15: ${call.name} waits although it was aborted`);
    if (ended.has(call.family ?? -1) && !isTainted)
      violated(`rule 12: ${call.name} waits for a family that has ended`);
    const isUnderWay = ({ at, isEnded }: { readonly at: number; readonly isEnded?: boolean }) =>
      !isEnded && scene.elapsed() - at <= DEADLINE;
    const isLooking = [...loadings].some(isUnderWay);
    const isLoading = state.status === "loading" && isLooking;
    const isRefreshing = state.status === "signedIn" && state.refreshing;
    // A sign-in may wait behind what is being written for the earlier family, and looks what it overwrites: that the
    // store cannot be read is said before it goes on.
    const token = tokensServed() ?? "";
    const isWriting = writings.filter(isUnderWay);
    const isStoring =
      isLooking || isWriting.some(({ name }) => name === token) || (!isKnown(token) && isWriting.length > 0);
    if (!isLoading && !isRefreshing && !isStoring) violated(`I4: ${call.name} waits for nothing`);
  }

  function concluded(): void {
    for (const call of calls) if (call.place !== "settled") violated(`I4: ${call.name} never settles`);
    for (const { call, retryAt, at } of failedCalls) {
      const isTold = failures.some(
        (failure) => failure.retryAt === retryAt && (failure.at >= call.madeAt || at < retryAt),
      );
      if (!isTold && storeFailedAt < call.madeAt)
        violated(`I8: ${call.name} fails with a round that did not`);
    }
  }

  return {
    story,
    violations,
    calls,
    seen,
    limits,
    get isTainted() {
      return isTainted;
    },
    note,
    saw,
    limited,
    violated,
    jumped: () => {
      hasJumped = true;
    },
    closing: () => {
      isClosing = true;
    },
    signedIn(family) {
      endAll();
      ended.delete(family);
      families = Math.max(families, family);
      served = family;
    },
    signedOut() {
      observe();
      endAll();
      served = 0;
    },
    made,
    sent,
    answered(call, status) {
      call.place = "inside";
      call.lastStatus = status;
      note(`${call.name} is answered ${status}`);
      if (status !== 401 || !call.lastToken) return;
      call.refusals++;
      refusedTokens.add(call.lastToken);
    },
    released(call) {
      call.releases++;
    },
    settled,
    asked,
    told,
    askedByAnother(presented) {
      note(`another redeems ${presented}`);
      const before = presentations.get(presented);
      if (before && before.state !== "failed")
        limited(
          "another context redeems what the store still holds of a round that could not be stored",
          true,
        );
      if (writings.some(({ name }) => name === presented) && !confirmed.has(presented))
        limited(UNHEARD, true);
      present(presented, "another");
      const made = presentations.get(presented);
      if (made) made.state = "read";
    },
    revoked(refreshToken) {
      observe();
      note(`${refreshToken} is revoked`);
      saw("revoked");
      if (scene.state().status !== "signedOut")
        violated(`rule 12: ${refreshToken} is revoked while signed in`);
    },
    saving,
    loading() {
      const key = { at: scene.elapsed() };
      loadings.add(key);
      return (found) => {
        loadings.delete(key);
        if (found !== "failed" && found) known.add(nameOf(found));
        saw(found === "failed" ? "load: failed" : found ? "load: a record" : "load: nothing");
      };
    },
    wrote,
    wroteElsewhere(record) {
      note(`the store holds ${nameOf(record)}, by another`);
      landed.add(parse(nameOf(record)).family);
    },
    heard,
    inspect,
    concluded,
  };
}
