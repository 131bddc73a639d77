import { refreshFailedError } from "../../src/errors.ts";
import { landed, newLook } from "./desk.ts";
import { bitOf, codeAt, familyIn, NOW, nameOf, recordOf } from "./record.ts";
import type { Scene } from "./scene.ts";
import type { Ghost, Look, State, Writing, Written } from "./state.ts";
import type { Add } from "./steps.ts";
import { answered, checked, goOn, looked, takeTurn } from "./vault.ts";

export function addStore(add: Add, state: State): void {
  addOpening(add, state);
  addHint(add, state);
  const { writing, writes, unsaved, ghosts } = state;
  if (writing) addWriting(add, writing);
  else if (writes.length > 0) add("own", "the next write takes its turn", takeTurn);
  if (!writing && unsaved && !writes.includes("again"))
    add(
      "answer",
      `it is time to write ${nameOf(unsaved.code)} again`,
      ({ state }) => void state.writes.push("again"),
      { type: "again" },
    );
  ghosts.forEach(({ code }, index) => {
    add(
      "world",
      `a save of ${nameOf(code)} that was given up comes to the store`,
      ({ state }) => {
        const [ghost] = state.ghosts.splice(index, 1);
        if (ghost && landed(state, ghost) && isHarmful(state, ghost)) state.isHaunted = true;
      },
      { type: "ghost", index },
    );
  });
}

// It was to overwrite whatever was there, or brings back somebody who has left.
function isHarmful({ left }: State, { code, expected }: Ghost): boolean {
  return expected === -1 || (code !== 0 && (left & (1 << familyIn(code))) !== 0);
}

function addOpening(add: Add, { opening }: State): void {
  if (!opening) return;
  if (opening.seen === undefined) {
    add("answer", "the store looks, at first", ({ state }) => see(state, state.opening), {
      type: "look",
      looker: "opening",
    });
    add("odd", "the store cannot be read, at first", unreadable, { type: "unreadable", looker: "opening" });
  } else
    add("answer", `the session is told ${nameOf(opening.seen)}, at first`, opened, {
      type: "tell",
      looker: "opening",
    });
}

function see(state: State, look: Look | null | undefined): void {
  if (look) look.seen = state.store;
}

// Hints wait for the first look; once it is closing, for nothing.
function isOpen(state: State): void {
  state.opening = null;
  if (state.hintWaits && state.closing >= 2) state.hinted = null;
  state.hintWaits = false;
}

function unreadable({ state, dispatch }: Scene): void {
  isOpen(state);
  dispatch({ type: "readFailed", error: refreshFailedError("the store could not be read", NOW, undefined) });
}

function opened({ state, dispatch }: Scene): void {
  const code = state.opening?.seen ?? 0;
  isOpen(state);
  state.safe |= bitOf(code);
  const isNew = state.isRestoring && code === 0 && state.machine.status === "loading";
  const restored = isNew ? recordOf(codeAt(state.families++, -1)) : null;
  const first = restored && ({ record: restored, status: "restoring" } as const);
  dispatch({ type: "read", record: recordOf(code), first, now: NOW });
}

function addHint(add: Add, { hint, hinted, hintWaits }: State): void {
  if (hint) add("answer", "a hint arrives", arrives, { type: "hint" });
  if (hinted?.seen !== undefined)
    add("answer", `the session is told ${nameOf(hinted.seen)}, for a hint`, hintTold, {
      type: "tell",
      looker: "hint",
    });
  else if (hinted && !hintWaits) {
    add("answer", "the store looks, for a hint", ({ state }) => see(state, state.hinted), {
      type: "look",
      looker: "hint",
    });
    add("odd", "the store cannot be read, for a hint", ({ state }) => hintOver(state), {
      type: "unreadable",
      looker: "hint",
    });
  }
}

function arrives({ state }: Scene): void {
  state.hint = false;
  // Those that come before the first look of all are answered by one.
  if (state.hinted && !state.hintWaits) state.isHintedAgain = true;
  else if (state.closing < 2) {
    state.hinted = newLook();
    state.hintWaits = state.opening !== null;
  }
}

function hintTold(scene: Scene): void {
  const { state } = scene;
  if (state.hinted) looked(scene, state.hinted, () => hintOver(state));
}

// Hints that came during the look ask for one more.
function hintOver(state: State): void {
  state.hinted = state.isHintedAgain && state.closing < 2 ? newLook() : null;
  state.isHintedAgain = false;
}

function addWriting(add: Add, { write, phase, written, look }: Writing): void {
  const what = `the save of ${nameOf(write.code)}`;
  const then = (act: (scene: Scene, writing: Writing) => void) => (scene: Scene) => {
    if (scene.state.writing) act(scene, scene.state.writing);
  };
  const hears = (written: Written) => then((scene, writing) => answered(scene, writing, written));
  switch (phase) {
    case "asked":
      add(
        "answer",
        `${what} reaches the store`,
        then(({ state }, writing) => act(state, writing)),
        { type: "save", how: "reaches" },
      );
      add("odd", `${what} fails`, hears("failed"), { type: "save", how: "fails" });
      add("odd", `${what} is late`, then(late), { type: "save", how: "late" });
      add("odd", `${what} is said to have lost`, hears("lost"), { type: "save", how: "loses" });
      break;
    case "acted":
      add("answer", `${what} is answered: ${written}`, hears(written), { type: "save", how: "answers" });
      add("odd", `the answer to ${what} does not come in time`, hears("failed"), {
        type: "save",
        how: "silent",
      });
      break;
    case "answered":
      add("own", `the writer goes on after ${what}: ${written}`, then(goOn));
      break;
    case "checking":
    case "checkingFirst":
      if (look?.seen === undefined) {
        add(
          "answer",
          "the store looks, for the writer",
          then(({ state }, writing) => see(state, writing.look)),
          { type: "look", looker: "writer" },
        );
        add(
          "odd",
          "the store cannot be read, for the writer",
          then((scene, writing) => checked(scene, writing, undefined)),
          { type: "unreadable", looker: "writer" },
        );
      } else
        add("answer", `the writer is told ${nameOf(look.seen)}`, then(told), {
          type: "tell",
          looker: "writer",
        });
  }
}

function act(state: State, writing: Writing): void {
  const { write, expected } = writing;
  writing.phase = "acted";
  writing.written = landed(state, { code: write.code, expected }) ? "stored" : "lost";
}

// Given up at its deadline, it may come to the store all the same.
function late(scene: Scene, writing: Writing): void {
  scene.state.ghosts.push({ code: writing.write.code, expected: writing.expected });
  answered(scene, writing, "failed");
}

function told(scene: Scene, writing: Writing): void {
  const { look } = writing;
  if (!look) return;
  const found = looked(scene, look, () => {
    writing.look = null;
  });
  if (found !== undefined) checked(scene, writing, found);
}
