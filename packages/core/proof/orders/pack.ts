import { refreshFailedError, refreshRejectedError } from "../../src/errors.ts";
import type { Machine, Round } from "../../src/machine.ts";
import { type Age, ageOf, bitOf, type Code, type Codes, codeOf, NOW, recordOf } from "./record.ts";
import type { Look, Renewal, Request, State, Write } from "./state.ts";

// A state as a string: what is equal in every respect that matters has the same one. Requests are sorted, since one is
// as good as another; what is known of a round only while it runs is left out once it has ended.

const STATUSES = ["unread", "loading", "restoring", "signedOut", "storing", "signedIn", "closed"] as const;
const REQUESTS = ["waiting", "woken", "authorizing", "sent", "replaying"] as const;
const ROUNDS = [
  "queueing",
  "looking",
  "looked",
  "lookingAgain",
  "lookedAgain",
  "settling",
  "asking",
  "repeating",
  "keeping",
  "kept",
  "believing",
  "believed",
  "forgetting",
  "forgotten",
  "resting",
  "sleeping",
  "awake",
  "ending",
  "told",
] as const;
const REASONS = ["stale", "ageing", "refused", "requested", "restore"] as const;
const WRITTEN = ["stored", "lost", "failed", "skipped"] as const;
const ENDINGS = ["overtaken", "renewed", "failed", "rotated", "rejected"] as const;
const KINDS = ["session", "keep", "late", "believe"] as const;
const WRITING = ["asked", "acted", "answered", "checking", "checkingFirst"] as const;

const UNDEFINED = 63;

const coolDown = {
  error: refreshFailedError("the model", NOW + 1000, undefined),
  since: NOW,
  ms: 1000,
  rounds: 1,
};
const rejection = refreshRejectedError("the model", undefined);

/** Writes numbers of known width into characters of 16 bits. */
class Packer {
  private text = "";
  private word = 0;
  private used = 0;

  add(value: number, bits: number): void {
    if (this.used + bits > 16) this.flush();
    this.word |= value << this.used;
    this.used += bits;
  }

  flush(): void {
    this.text += String.fromCharCode(this.word);
    this.word = 0;
    this.used = 0;
  }

  append(text: string): void {
    this.text += text;
  }

  end(): string {
    if (this.used > 0) this.flush();
    return this.text;
  }
}

class Unpacker {
  private at = 0;
  private used = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  take(bits: number): number {
    if (this.used + bits > 16) this.next();
    const value = (this.text.charCodeAt(this.at) >> this.used) & ((1 << bits) - 1);
    this.used += bits;
    return value;
  }

  next(): void {
    this.at++;
    this.used = 0;
  }

  is(): boolean {
    return this.take(1) === 1;
  }
}

export function pack(state: State): string {
  const { machine, rounds, writing, unsaved } = state;
  const packer = new Packer();
  const add = (value: number | boolean, bits: number) => packer.add(Number(value), bits);
  const addLook = (look: Look | null) => {
    add(look === null ? 0 : 1 + (look.dirty ? 1 : 0), 2);
    add(look?.seen === undefined ? UNDEFINED : look.seen, 6);
  };
  const addWrite = (write: Write) => {
    add(KINDS.indexOf(write.kind), 2);
    add(write.code, 6);
    add(write.round ? rounds.indexOf(write.round) + 1 : 0, 3);
    add(write.attempt, 2);
  };
  add(STATUSES.indexOf(machine.status), 3);
  add(machine.refused, 1);
  add(machine.coolDown !== null, 1);
  add(machine.refusals.length, 3);
  add(ageOf(machine.record), 2);
  add(codeOf(machine.record), 6);
  add(machine.stored === undefined ? UNDEFINED : codeOf(machine.stored), 6);
  add(rounds.findIndex(({ round, phase }) => round === machine.round && phase !== "told") + 1, 3);
  add(state.latest ? rounds.indexOf(state.latest) + 1 : 0, 3);
  add(machine.rejected ? Number(machine.rejected.family.slice(1)) + 1 : 0, 3);
  add(state.unmade, 3);
  add(state.streams, 3);
  add(state.store, 6);
  add(state.disturbances, 4);
  add(state.families, 3);
  add(state.caused, 3);
  add(state.left, 4);
  add(state.closing, 3);
  for (const flag of [
    state.isRestoring,
    state.isHaunted,
    state.hint,
    state.isHintedAgain,
    state.hintWaits,
    state.isReturned,
  ])
    add(flag, 1);
  const mentioned = mentionedIn(state);
  for (const codes of [state.safe & mentioned, state.redeemed & mentioned]) {
    add(codes & 0xffff, 16);
    add(codes >>> 16, 16);
  }
  addLook(state.opening);
  addLook(state.hinted);
  add(writing !== null, 1);
  if (writing) {
    add(WRITING.indexOf(writing.phase), 3);
    add(WRITTEN.indexOf(writing.written), 2);
    add(writing.expected === -1 ? UNDEFINED : writing.expected, 6);
    add(writing.isLast, 1);
    addLook(writing.look);
    addWrite(writing.write);
  }
  add(unsaved !== null, 1);
  if (unsaved) addWrite(unsaved);
  add(state.writes.length, 3);
  for (const write of state.writes) {
    add(write === "again", 1);
    if (write !== "again") addWrite(write);
  }
  const ghosts = state.ghosts.map(
    ({ code, expected }) => code * 64 + (expected === -1 ? UNDEFINED : expected),
  );
  add(ghosts.length, 3);
  for (const ghost of ghosts.sort()) add(ghost, 12);
  add(rounds.length, 3);
  for (const renewal of rounds) {
    add(renewal.from, 6);
    add(ROUNDS.indexOf(renewal.phase), 5);
    add(renewal.concluded, 2);
    add(renewal.late >> 1, 3);
    add(renewal.overtaken, 1);
    if (renewal.phase === "told") continue;
    const isEnding = renewal.phase === "ending";
    add(isEnding ? 0 : renewal.attempts, 2);
    add(renewal.repeated && !isEnding, 1);
    add(renewal.overtaken ? 0 : REASONS.indexOf(renewal.round.reason), 3);
    add(renewal.isInSection, 1);
    add(renewal.rotated && !isEnding, 1);
    add(renewal.goesOn, 1);
    add(renewal.ahead, 3);
    add(renewal.phase === "believed" ? renewal.found : 0, 6);
    add(WRITTEN.indexOf(renewal.written), 2);
    add(ENDINGS.indexOf(renewal.ending), 3);
    addLook(renewal.look);
  }
  add(state.requests.length, 3);
  packer.flush();
  for (const request of state.requests.map(packRequest).sort()) packer.append(request);
  return packer.end();
}

// What is known of other records is of no account any more.
function mentionedIn({
  machine,
  store,
  opening,
  hinted,
  writing,
  unsaved,
  writes,
  ghosts,
  rounds,
  requests,
}: State): Codes {
  let codes = bitOf(codeOf(machine.record)) | bitOf(store);
  for (const look of [opening, hinted, writing?.look]) codes |= bitOf(look?.seen ?? 0);
  for (const write of [writing?.write, unsaved, ...writes, ...ghosts])
    if (write && write !== "again") codes |= bitOf(write.code);
  for (const { phase, from, look, late } of rounds)
    if (phase !== "told" || late) codes |= bitOf(from) | bitOf(from + 1) | bitOf(look?.seen ?? 0);
  for (const { phase, sent } of requests) if (phase === "authorizing") codes |= bitOf(sent);
  return codes;
}

function packRequest(request: Request): string {
  const packer = new Packer();
  const add = (value: number | boolean, bits: number) => packer.add(Number(value), bits);
  const { phase } = request;
  const isWaiting = phase === "waiting";
  add(REQUESTS.indexOf(request.phase), 3);
  add(stampCode(request.made), 3);
  add(request.phase === "woken" ? stampCode(request.stamp) : 0, 3);
  add(request.sends, 2);
  for (const flag of [
    request.isRefused,
    request.replayable,
    request.hasWaited,
    request.kept,
    request.aborted,
  ])
    add(flag, 1);
  add(phase === "sent" || phase === "authorizing" || request.isRefused ? request.sent : 0, 6);
  add(phase === "sent" ? 0 : request.refused, 6);
  add(isWaiting && request.held, 1);
  add(isWaiting && request.lenient, 1);
  add(isWaiting ? request.beyond + 1 : 0, 4);
  add(isWaiting ? request.awaited : 0, 6);
  return packer.end();
}

function stampCode(stamp: string | undefined): number {
  if (stamp === undefined) return 0;
  return stamp === "" ? 1 : Number(stamp.slice(1)) + 2;
}

function stampOf(code: number): string | undefined {
  if (code === 0) return undefined;
  return code === 1 ? "" : `f${code - 2}`;
}

export function unpack(text: string): State {
  const from = new Unpacker(text);
  const status = STATUSES[from.take(3)] ?? "unread";
  const refused = from.is();
  const isCooling = from.is();
  const refusals = Array.from({ length: from.take(3) }, () => NOW);
  const record = recordAt(from);
  const stored = from.take(6);
  const [round, latest, rejected] = [from.take(3), from.take(3), from.take(3)];
  const [unmade, streams] = [from.take(3), from.take(3)];
  const store = from.take(6);
  const disturbances = from.take(4);
  const [families, caused] = [from.take(3), from.take(3)];
  const [left, closing] = [from.take(4), from.take(3)];
  const [isRestoring, isHaunted, hint] = [from.is(), from.is(), from.is()];
  const [isHintedAgain, hintWaits, isReturned] = [from.is(), from.is(), from.is()];
  const [safe, redeemed] = [codesFrom(from), codesFrom(from)];
  const [opening, hinted] = [lookFrom(from), lookFrom(from)];
  // Rounds come last: until then a write knows its round by its place.
  const owners: (() => void)[] = [];
  const rounds: Renewal[] = [];
  const writeFrom = (): Write => {
    const [kind, code, owner, attempt] = [from.take(2), from.take(6), from.take(3), from.take(2)];
    const write: Write = { kind: KINDS[kind] ?? "session", code, round: null, attempt };
    owners.push(() => {
      write.round = rounds[owner - 1] ?? null;
    });
    return write;
  };
  const writing = from.is()
    ? {
        phase: WRITING[from.take(3)] ?? "asked",
        written: WRITTEN[from.take(2)] ?? "stored",
        expected: expectedFrom(from.take(6)),
        isLast: from.is(),
        look: lookFrom(from),
        write: writeFrom(),
      }
    : null;
  const unsaved = from.is() ? writeFrom() : null;
  const writes = Array.from({ length: from.take(3) }, () => (from.is() ? ("again" as const) : writeFrom()));
  const ghosts = Array.from({ length: from.take(3) }, () => {
    const ghost = from.take(12);
    return { code: ghost >> 6, expected: expectedFrom(ghost & 63) };
  });
  const count = from.take(3);
  for (let index = 0; index < count; index++) rounds.push(roundFrom(from));
  for (const own of owners) own();
  const waiting = from.take(3);
  from.next();
  const requests = Array.from({ length: waiting }, (_, index) => requestFrom(from, index + 1));
  const machine: Machine = {
    status,
    record,
    stored: stored === UNDEFINED ? undefined : recordOf(stored),
    round: rounds[round - 1]?.round ?? null,
    refused,
    coolDown: isCooling ? coolDown : null,
    refusals,
    rejected: rejected > 0 ? { family: `f${rejected - 1}`, error: rejection } : null,
  };
  return {
    machine,
    requests,
    unmade,
    made: requests.length,
    streams,
    rounds,
    latest: rounds[latest - 1] ?? null,
    writes,
    writing,
    unsaved,
    opening,
    hinted,
    isHintedAgain,
    hintWaits,
    hint,
    store,
    ghosts,
    closing,
    disturbances,
    families,
    isRestoring,
    isHaunted,
    isReturned,
    safe,
    redeemed,
    caused,
    left,
  };
}

function recordAt(from: Unpacker): Machine["record"] {
  const age = from.take(2) as Age;
  return recordOf(from.take(6), age);
}

function codesFrom(from: Unpacker): number {
  const low = from.take(16);
  return low | (from.take(16) << 16);
}

function expectedFrom(code: number): Code | -1 {
  return code === UNDEFINED ? -1 : code;
}

function lookFrom(from: Unpacker): Look | null {
  const [is, seen] = [from.take(2), from.take(6)];
  return is === 0 ? null : { seen: seen === UNDEFINED ? undefined : seen, dirty: is === 2, call: 0 };
}

function roundFrom(from: Unpacker): Renewal {
  const code = from.take(6);
  const phase = ROUNDS[from.take(5)] ?? "told";
  const [concluded, late, overtaken] = [from.take(2), from.take(3) << 1, from.is()];
  const record = recordOf(code) as Round["from"];
  const ended = { from: code, phase, concluded, late, overtaken };
  if (phase === "told") return { ...TOLD, ...ended, round: { reason: "stale", from: record } };
  const attempts = from.take(2);
  const repeated = from.is();
  const round: Round = { reason: REASONS[from.take(3)] ?? "stale", from: record };
  const [isInSection, rotated, goesOn] = [from.is(), from.is(), from.is()];
  const ahead = from.take(3);
  const found = from.take(6);
  const written = WRITTEN[from.take(2)] ?? "skipped";
  const ending = ENDINGS[from.take(3)] ?? "overtaken";
  const look = lookFrom(from);
  return {
    ...ended,
    round,
    attempts,
    repeated,
    isInSection,
    rotated,
    goesOn,
    ahead,
    found,
    written,
    ending,
    look,
    turn: 0,
    calls: [],
  };
}

const TOLD = {
  attempts: 0,
  repeated: false,
  overtaken: true,
  isInSection: false,
  rotated: false,
  goesOn: true,
  ahead: 0,
  found: 0,
  written: "skipped",
  ending: "overtaken",
  look: null,
  turn: 0,
  calls: [],
} as const;

function requestFrom(from: Unpacker, id: number): Request {
  const phase = REQUESTS[from.take(3)] ?? "sent";
  const [made, stamp] = [stampOf(from.take(3)), stampOf(from.take(3))];
  const sends = from.take(2);
  const [isRefused, replayable, hasWaited, kept, aborted] = [
    from.is(),
    from.is(),
    from.is(),
    from.is(),
    from.is(),
  ];
  const [sent, refused] = [from.take(6), from.take(6)];
  const [held, lenient] = [from.is(), from.is()];
  const [beyond, awaited] = [from.take(4) - 1, from.take(6)];
  from.next();
  return {
    id,
    phase,
    isRefused,
    made,
    stamp,
    replayable,
    sends,
    hasWaited,
    kept,
    aborted,
    sent,
    refused,
    held,
    beyond,
    lenient,
    awaited,
  };
}
