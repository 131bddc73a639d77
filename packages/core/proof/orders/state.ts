import type { Machine, Round } from "../../src/machine.ts";
import type { Code, Codes } from "./record.ts";

/** One moment: the session, its requests, its rounds, the store, and what is under way between them. */
export interface State {
  machine: Machine;
  /** Those that have not settled; who waits is in the order of the queue. */
  requests: Request[];
  /** How many are still to be made. */
  unmade: number;
  /** How many have been made: the next one's number. */
  made: number;
  /** How many of them with a stream. */
  streams: number;
  /** Those that run, and those that a write or a late answer may still come back to; in the order they began. */
  rounds: Renewal[];
  /** Whose controller an overtaking aborts. */
  latest: Renewal | null;
  /** What waits for its turn to be written. "again": what could not be. */
  writes: (Write | "again")[];
  writing: Writing | null;
  unsaved: Write | null;
  opening: Look | null;
  /** The look that a hint asked for. */
  hinted: Look | null;
  isHintedAgain: boolean;
  /** That look begins once the first look of all is over. */
  hintWaits: boolean;
  /** A peer has written: a hint is on its way, or lost. */
  hint: boolean;
  store: Code;
  /** Saves that were given up, and may land all the same. */
  ghosts: Ghost[];
  /** 0: open; 1: asked to close; 2: rounds have ended; 3: what is not stored is written once more; 4: closed. */
  closing: number;
  /** How many things out of the ordinary may still happen. */
  disturbances: number;
  /** How many families there have been. */
  families: number;
  isRestoring: boolean;
  /** Stored, or said not to be. */
  safe: Codes;
  /** Presented, and the answer was read: the next token is known. */
  redeemed: Codes;
  /** Rounds that refusals of this family have caused within the window. */
  caused: number;
  /** A save that was given up has landed. */
  isHaunted: boolean;
  /** A sign-in that could not be stored was rejected, and what it replaced stays. */
  isReturned: boolean;
  /** Families that a sign-in or sign-out of ours has ended, one bit each. */
  left: number;
}

export interface Request {
  /** Tells requests apart in a story. Not part of the state: requests are interchangeable. */
  id: number;
  phase: "waiting" | "woken" | "authorizing" | "sent" | "replaying";
  /** Waits for newer tokens after a refusal; otherwise for its turn. */
  isRefused: boolean;
  made: string | undefined;
  stamp: string | undefined;
  replayable: boolean;
  sends: number;
  hasWaited: boolean;
  kept: boolean;
  aborted: boolean;
  /** What it was sent with last. */
  sent: Code;
  /** What it was refused with last. */
  refused: Code;
  held: boolean;
  beyond: number;
  lenient: boolean;
  /** What the round renews that was in flight when it began to wait; 0: none was. */
  awaited: Code;
}

type Phase =
  | "queueing"
  | "looking"
  | "looked"
  | "settling"
  | "asking"
  | "repeating"
  | "keeping"
  | "kept"
  | "believing"
  | "believed"
  | "forgetting"
  | "forgotten"
  | "resting"
  | "sleeping"
  | "awake"
  | "ending"
  | "told";

export type Written = "stored" | "lost" | "failed" | "skipped";

/** How a round ends: as the outcomes of the machine, with what was written. */
export type Ending = "overtaken" | "renewed" | "failed" | "rotated" | "rejected";

export interface Renewal {
  round: Round;
  from: Code;
  phase: Phase;
  attempts: number;
  repeated: boolean;
  /** Which attempt's tokens were kept first; 0: none yet. */
  concluded: number;
  overtaken: boolean;
  isInSection: boolean;
  look: Look | null;
  found: Code;
  /** The answer brought only a refresh token. */
  rotated: boolean;
  written: Written;
  ending: Ending;
  goesOn: boolean;
  /** Attempts that were given up and may answer yet, one bit each. */
  late: number;
  /** How many writes it waits for, before it asks. */
  ahead: number;
  /** Which calls of a real session it has made, where there is one: for its turn, and each attempt. Not part of the state. */
  turn: number;
  calls: readonly number[];
}

export interface Look {
  /** Undefined: the store has not looked yet. */
  seen: Code | undefined;
  /** Something was stored or found meanwhile. */
  dirty: boolean;
  /** Which call of a real store it is, where there is one; 0: none yet. Not part of the state. */
  call: number;
}

export interface Write {
  kind: "session" | "keep" | "late" | "believe";
  code: Code;
  round: Renewal | null;
  /** Which attempt brought it; of the session itself: 0, and 1 once somebody has signed in or out since. */
  attempt: number;
}

export interface Writing {
  write: Write;
  /** What the store is to hold; −1: whatever it holds. */
  expected: Code | -1;
  phase: "asked" | "acted" | "answered" | "checking" | "checkingFirst";
  written: Written;
  look: Look | null;
  /** It lost once, and is written over what won. */
  isSecond: boolean;
}

export interface Ghost {
  code: Code;
  expected: Code | -1;
  /** Which call of a real store it was. Not part of the state. */
  call?: number;
}

/** Copies a state, so that a step can change it. */
export function copyOf(state: State): State {
  const rounds = new Map<Renewal, Renewal>();
  for (const renewal of state.rounds) rounds.set(renewal, { ...renewal, look: copyLook(renewal.look) });
  const moved = <W extends Write>(write: W): W =>
    write.round ? { ...write, round: rounds.get(write.round) ?? null } : write;
  const { writing, unsaved, latest } = state;
  return {
    ...state,
    requests: state.requests.map((request) => ({ ...request })),
    rounds: [...rounds.values()],
    latest: (latest && rounds.get(latest)) ?? null,
    writes: state.writes.map((write) => (write === "again" ? write : moved(write))),
    writing: writing && { ...writing, write: moved(writing.write), look: copyLook(writing.look) },
    unsaved: unsaved && moved(unsaved),
    opening: copyLook(state.opening),
    hinted: copyLook(state.hinted),
    ghosts: [...state.ghosts],
  };
}

function copyLook(look: Look | null): Look | null {
  return look && { ...look };
}
