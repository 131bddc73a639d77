import { newLook, serves } from "./desk.ts";
import { checkWrite } from "./invariants.ts";
import { bitOf, type Code, codeOf, recordOf } from "./record.ts";
import { dispatchFound, dispatchLate, dispatchSaved, finished } from "./renewal.ts";
import type { Scene } from "./scene.ts";
import type { Look, State, Write, Writing, Written } from "./state.ts";

// The store as vault.ts and writer.ts use it: one write at a time, and looks that look again.

/** The turn of the first in line. What failed before, or is to overwrite something, looks first. */
export function takeTurn(scene: Scene): void {
  const { state } = scene;
  const next = state.writes.shift();
  const write = next === "again" ? state.unsaved : next;
  const looksFirst = next === "again" || state.machine.stored === undefined;
  if (next === "again") state.unsaved = null;
  if (!write) turnOver(state);
  else if (looksFirst && isDue(state, write))
    state.writing = { ...begun(state, write), phase: "checkingFirst", look: newLook() };
  else performWrite(scene, write);
}

// Rounds wait for the writes that were ahead of them.
function turnOver({ rounds }: State): void {
  for (const renewal of rounds) if (renewal.ahead > 0) renewal.ahead--;
}

function performWrite(scene: Scene, write: Write, found?: Code): void {
  const { state } = scene;
  const isThere = found === write.code && found !== 0;
  state.writing = null;
  if (!isDue(state, write)) {
    ended(scene, write, "skipped");
    return;
  }
  if (isThere) {
    ended(scene, write, "stored");
    return;
  }
  checkWrite(scene, write);
  state.unsaved = null;
  state.writing = begun(state, write, found);
}

/** Over what it is written: what is known, else what was found, else whatever it is. */
function begun({ machine: { stored } }: State, write: Write, found: Code | -1 = -1): Writing {
  const expected = stored === undefined ? found : codeOf(stored);
  return { write, expected, phase: "asked", written: "stored", look: null, isLast: false };
}

/** As the `due` of session.ts and renewal.ts. */
function isDue(state: State, { kind, code, round, attempt }: Write): boolean {
  if (!round || kind === "session") return attempt === 0 && serves(state, code);
  if (kind === "believe") return serves(state, round.from, round) || serves(state, 0, round);
  const isFirst = round.concluded === 0 || round.concluded === attempt;
  return (
    isFirst && (serves(state, round.from, round) || (round.concluded !== 0 && serves(state, code, round)))
  );
}

/** The save is answered. */
export function answered(scene: Scene, writing: Writing, written: Written): void {
  writing.phase = "answered";
  writing.written = written;
  if (written === "failed") failed(scene, writing.write);
}

function failed(scene: Scene, write: Write): void {
  scene.state.unsaved = write;
  scene.state.safe |= bitOf(write.code);
  scene.told.push("storeFailed is said");
}

/** The writer goes on: what lost looks who won; what lost again has failed. */
export function goOn(scene: Scene, writing: Writing): void {
  const { write, written, isLast } = writing;
  if (written !== "lost") {
    conclude(scene, write, written);
    return;
  }
  if (isLast) {
    lostForGood(scene, write);
    return;
  }
  writing.phase = "checking";
  writing.look = newLook();
}

/** The writer has looked; undefined: it could not. */
export function checked(scene: Scene, writing: Writing, found: Code | undefined): void {
  const { write, phase, expected } = writing;
  const { state } = scene;
  if (phase === "checkingFirst") {
    performWrite(scene, write, found);
    return;
  }
  if (found === write.code) {
    conclude(scene, write, "stored");
    return;
  }
  if (!isDue(state, write)) {
    conclude(scene, write, "lost");
    return;
  }
  const again = begun(state, write, found);
  // What it is to follow has landed late, or something is to be overwritten: known by now, it is written over.
  const isNews = again.expected !== -1 && again.expected !== expected;
  const isForeign = again.expected === 0 && found === 0;
  if (!isNews && !isForeign) {
    lostForGood(scene, write);
    return;
  }
  state.unsaved = null;
  state.writing = isNews ? again : { ...again, expected: -1, isLast: true };
}

function lostForGood(scene: Scene, write: Write): void {
  failed(scene, write);
  conclude(scene, write, "failed");
}

function conclude(scene: Scene, write: Write, written: Written): void {
  scene.state.writing = null;
  ended(scene, write, written);
}

// Heard before the next write begins.
function ended(scene: Scene, write: Write, written: Written): void {
  const { state } = scene;
  const { round } = write;
  if (written === "stored") {
    state.safe |= bitOf(write.code);
    changed(state);
  }
  if (written === "stored" || written === "failed") {
    if (isDue(state, write)) dispatchSaved(scene, write.code, written === "stored");
    if (round && write.kind !== "believe" && round.concluded === 0) round.concluded = write.attempt;
    if (write.kind === "late") dispatchLate(scene, write.code, written === "stored");
  }
  if (round) finished(scene, round, write, written);
  turnOver(state);
}

/** What was read before now may be older than what is there. */
function changed(state: State): void {
  for (const look of looksOf(state)) look.dirty = true;
}

// One that a hint asked for begins only after the first look of all.
function looksOf({ rounds, writing, hinted, hintWaits }: State): Look[] {
  const looks = [...rounds.map(({ look }) => look), writing?.look, hintWaits ? null : hinted];
  return looks.filter((look): look is Look => look != null);
}

/** A look has been answered. Undefined: it looks again, since it may be outdated. */
export function looked(scene: Scene, look: Look, isOver: () => void): Code | undefined {
  const { state } = scene;
  const code = look.seen ?? 0;
  if (look.dirty) {
    Object.assign(look, newLook());
    return undefined;
  }
  changed(state);
  isOver();
  const { writing } = state;
  const isOurs = writing?.phase === "asked" || writing?.phase === "acted";
  if (!isOurs || writing.write.code !== code) dispatchFound(scene, recordOf(code));
  return code;
}
