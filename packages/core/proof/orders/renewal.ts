import type { Outcome, Round } from "../../src/machine.ts";
import type { SessionRecord } from "../../src/store.ts";
import { enqueue, newLook, serves } from "./desk.ts";
import { checkAsking, checkBeginning } from "./invariants.ts";
import { bitOf, type Code, codeAt, codeOf, familyIn, generationIn, NOW, nameOf, recordOf } from "./record.ts";
import type { Scene } from "./scene.ts";
import type { Ending, Renewal, State, Write, Written } from "./state.ts";

// One round, as renewal.ts has it: its exclusive section, its attempts, its save, and its end, told later.

const ATTEMPTS = 3;

export type Answer = "ok" | "rotated" | "failed" | "permanent" | "lost" | "late" | "rejected";

/** A round begins: it waits for its turn at the store. */
export function begin(scene: Scene, round: Round): void {
  const { state, bounds } = scene;
  const renewal: Renewal = {
    round,
    from: codeOf(round.from),
    phase: "queueing",
    attempts: 0,
    repeated: false,
    concluded: 0,
    overtaken: false,
    isInSection: false,
    look: null,
    found: 0,
    rotated: false,
    written: "skipped",
    ending: "overtaken",
    goesOn: true,
    late: 0,
    ahead: 0,
    turn: 0,
    calls: [],
  };
  checkBeginning(scene, renewal);
  state.rounds.push(renewal);
  // Who waits since before it began waits for it now.
  for (const request of state.requests) if (request.phase === "waiting") request.awaited ||= renewal.from;
  state.latest = renewal;
  scene.told.push(`a round begins (${round.reason}), to renew ${nameOf(renewal.from)}`);
  if (!bounds.isExclusive) enter(renewal);
}

/** Its turn has come: it looks what the store holds. */
export function enter(renewal: Renewal): void {
  renewal.isInSection = !renewal.overtaken;
  renewal.phase = "looking";
  renewal.look = newLook();
}

/** Its look is over; undefined: it could not look. */
export function hasLooked(renewal: Renewal, found: Code | undefined): void {
  renewal.look = null;
  if (renewal.phase === "lookingAgain") {
    if (found === undefined) leaveOff(renewal);
    else renewal.phase = "lookedAgain";
    return;
  }
  if (found === undefined) {
    end(renewal, "failed");
    return;
  }
  renewal.found = found;
  renewal.phase = renewal.phase === "believing" ? "believed" : "looked";
}

/** What is being stored is waited for: it may be newer. Then it asks. */
export function awaitWrites(
  scene: Scene,
  renewal: Renewal,
  isRepeated = renewal.phase === "repeating" || renewal.phase === "lookedAgain",
): void {
  const { writes, writing } = scene.state;
  renewal.ahead = writes.length + (writing ? 1 : 0);
  renewal.phase = isRepeated ? "repeating" : "settling";
  if (renewal.ahead > 0) return;
  if (!serves(scene.state, renewal.from, renewal)) {
    end(renewal, "overtaken");
    return;
  }
  renewal.repeated ||= isRepeated;
  ask(scene, renewal);
}

function ask(scene: Scene, renewal: Renewal): void {
  renewal.attempts++;
  renewal.phase = "asking";
  checkAsking(scene, renewal);
  scene.told.push(`attempt ${renewal.attempts} presents the refresh token of ${nameOf(renewal.from)}`);
}

/** The attempt is answered, or given up. */
export function answer(scene: Scene, renewal: Renewal, how: Answer): void {
  switch (how) {
    case "ok":
    case "rotated":
      keep(scene, renewal, how === "rotated");
      return;
    case "rejected":
      renewal.phase = "believing";
      renewal.look = newLook();
      return;
    case "permanent":
      end(renewal, "failed");
      return;
    case "late":
    case "lost":
      if (how === "late") renewal.late |= 1 << renewal.attempts;
      if (!renewal.repeated && renewal.attempts < ATTEMPTS) {
        renewal.phase = "lookingAgain";
        renewal.look = newLook();
        return;
      }
  }
  leaveOff(renewal);
}

/** It leaves the section, to try again later or not at all. */
function leaveOff(renewal: Renewal): void {
  if (renewal.attempts >= ATTEMPTS) {
    end(renewal, "failed");
    return;
  }
  renewal.isInSection = false;
  renewal.phase = "resting";
}

function keep({ state }: Scene, renewal: Renewal, rotated: boolean): void {
  state.redeemed |= bitOf(renewal.from);
  renewal.phase = "keeping";
  renewal.rotated = rotated;
  enqueue(state, { kind: "keep", code: nextOf(renewal), round: renewal, attempt: renewal.attempts });
}

/** An attempt that was given up brings tokens after all. */
export function answerLate({ state }: Scene, renewal: Renewal, attempt: number): void {
  renewal.late &= ~(1 << attempt);
  state.redeemed |= bitOf(renewal.from);
  enqueue(state, { kind: "late", code: nextOf(renewal), round: renewal, attempt });
}

function nextOf({ from }: Renewal): Code {
  return codeAt(familyIn(from), generationIn(from) + 1);
}

/** A write of this round has ended; the round hears of it a little later. */
export function finished(scene: Scene, renewal: Renewal, { kind }: Write, written: Written): void {
  if (kind === "late") {
    if (written === "skipped") orphan(scene);
    return;
  }
  if (renewal.phase !== (kind === "keep" ? "keeping" : "forgetting")) return;
  renewal.phase = kind === "keep" ? "kept" : "forgotten";
  renewal.written = written;
}

export function afterKeep(scene: Scene, renewal: Renewal): void {
  const { written, rotated } = renewal;
  if (written === "skipped") orphan(scene);
  if (written === "skipped" || written === "lost") {
    end(renewal, "overtaken");
    return;
  }
  end(renewal, rotated ? "rotated" : "renewed");
}

function orphan(scene: Scene): void {
  if (scene.state.machine.status === "signedOut")
    scene.witness("a late result is an orphan after a sign-out");
}

/** Rejected is believed only after another look. What is not of our family stays. */
export function afterBelief({ state }: Scene, renewal: Renewal): void {
  if (familyIn(renewal.found) !== familyIn(renewal.from)) {
    // Our sign-in was to overwrite it, and could not: nobody can tell it from another's sign-in since.
    if (renewal.found !== 0 && state.machine.stored === undefined) state.isReturned = true;
    renewal.written = "stored";
    end(renewal, "rejected");
    return;
  }
  renewal.phase = "forgetting";
  enqueue(state, { kind: "believe", code: 0, round: renewal, attempt: renewal.attempts });
}

export function end(renewal: Renewal, ending: Ending): void {
  renewal.isInSection = false;
  renewal.look = null;
  renewal.phase = "ending";
  renewal.ending = ending;
}

/** It sleeps before the next attempt, outside the section. */
export function rest({ state }: Scene, renewal: Renewal): void {
  if (!serves(state, renewal.from, renewal)) {
    end(renewal, "overtaken");
    return;
  }
  renewal.phase = "sleeping";
}

export function awaken(state: State): void {
  for (const renewal of state.rounds)
    if (renewal.phase === "sleeping") Object.assign(renewal, { phase: "awake", goesOn: state.closing === 0 });
}

export function afterSleep(scene: Scene, renewal: Renewal): void {
  if (!serves(scene.state, renewal.from, renewal)) {
    end(renewal, "overtaken");
    return;
  }
  if (!renewal.goesOn) {
    end(renewal, "failed");
    return;
  }
  renewal.phase = "queueing";
  renewal.turn = 0;
  if (!scene.bounds.isExclusive) enter(renewal);
}

/** The session hears how it ended. */
export function tellEnd(scene: Scene, renewal: Renewal): void {
  renewal.phase = "told";
  if (scene.state.latest === renewal) scene.state.latest = null;
  scene.dispatch({ type: "ended", round: renewal.round, outcome: outcomeOf(renewal), now: NOW });
}

function outcomeOf(renewal: Renewal): Outcome {
  const stored = renewal.written === "stored";
  const record = recordOf(nextOf(renewal)) as SessionRecord;
  const evidence = { what: "the answer of the model", cause: undefined };
  switch (renewal.ending) {
    case "overtaken":
      return { type: "overtaken" };
    case "renewed":
      return { type: "renewed", record, stored };
    case "failed":
      return { type: "failed", ...evidence };
    case "rotated":
      return { type: "failed", ...evidence, rotated: { record, stored } };
    case "rejected":
      return { type: "rejected", ...evidence, stored };
  }
}

// What the vault tells the session.

export function dispatchFound(scene: Scene, record: SessionRecord | null): void {
  scene.state.safe |= bitOf(codeOf(record));
  scene.dispatch({ type: "found", record });
}

export function dispatchSaved(scene: Scene, code: Code, stored: boolean): void {
  scene.dispatch({ type: "saved", record: recordOf(code), stored });
}

export function dispatchLate(scene: Scene, code: Code, stored: boolean): void {
  scene.dispatch({ type: "renewedLate", record: recordOf(code) as SessionRecord, stored });
}
