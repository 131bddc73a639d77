import type { Bounds } from "./bounds.ts";
import {
  type Age,
  ageOf,
  bitOf,
  type Code,
  codeAt,
  codeOf,
  FAMILIES,
  familyIn,
  generationIn,
  NOW,
  nameOf,
  recordOf,
} from "./record.ts";
import { awaken } from "./renewal.ts";
import { make } from "./requests.ts";
import type { Scene } from "./scene.ts";
import type { State } from "./state.ts";
import type { Add } from "./steps.ts";

// The user, the peers who share the store, and time.

export function addWorld(add: Add, state: State, bounds: Bounds): void {
  addTime(add, state, bounds);
  addMaking(add, state);
  addUser(add, state);
  addClosing(add, state);
  addPeer(add, state);
}

function addTime(add: Add, { machine }: State, { generations }: Bounds): void {
  const { record, coolDown, refusals } = machine;
  const age = ageOf(record);
  if (record && record.generation >= 0 && record.generation <= generations && age < 2)
    add("world", `time passes: ${nameOf(codeOf(record))} is ${age === 0 ? "ageing" : "stale"}`, grows, {
      type: "age",
    });
  if (coolDown)
    add("world", "time passes: the cool-down is over", ({ state }) => passes(state, { coolDown: null }), {
      type: "cool",
    });
  if (refusals.length > 0)
    add(
      "odd",
      "time passes: the window of refusals is over",
      ({ state }) => {
        passes(state, { refusals: [] });
        state.caused = 0;
      },
      { type: "window" },
    );
}

// Time itself stands still: what would have passed is taken off what is measured by it.
function passes(state: State, changed: Partial<State["machine"]>): void {
  state.machine = { ...state.machine, ...changed };
}

function grows({ state }: Scene): void {
  const { record } = state.machine;
  passes(state, { record: recordOf(codeOf(record), (ageOf(record) + 1) as Age) });
}

function addMaking(add: Add, { unmade, streams, made }: State): void {
  if (unmade > streams)
    add("world", `request ${made + 1} is made`, (scene) => make(scene, true), {
      type: "make",
      replayable: true,
    });
  if (streams > 0)
    add("world", `request ${made + 1} is made, with a stream`, (scene) => make(scene, false), {
      type: "make",
      replayable: false,
    });
}

// A session that is to be restored may need one for itself.
function hasRoom({ families, isRestoring, machine: { status } }: State): boolean {
  return families < FAMILIES - (isRestoring && (status === "loading" || status === "unread") ? 1 : 0);
}

function addUser(add: Add, state: State): void {
  const { closing, machine } = state;
  if (closing > 0) return;
  if (hasRoom(state)) add("odd", "the user signs in", signIn, { type: "signIn" });
  if (machine.status !== "signedOut" || machine.stored !== null)
    add("odd", "the user signs out", signOut, { type: "signOut" });
  if (machine.status === "signedIn")
    add("odd", "a refresh is asked for", ({ dispatch }) =>
      dispatch({ type: "needed", reason: "requested", now: NOW }),
    );
  add(
    "odd",
    "the session is to close",
    ({ state }) => {
      state.closing = 1;
      // A round that sleeps gets up, and goes no further.
      awaken(state);
    },
    { type: "close" },
  );
}

function signIn({ state, dispatch }: Scene): void {
  const record = recordOf(codeAt(state.families++, 0));
  if (record) dispatch({ type: "signIn", record });
}

function signOut({ dispatch }: Scene): void {
  dispatch({ type: "signOut" });
}

// Rounds end, then what is being written; what is not stored is written once more, then it is over.
function addClosing(add: Add, { closing, rounds, writes, writing, unsaved }: State): void {
  if (closing === 1 && rounds.every(({ phase }) => phase === "told"))
    add("own", "closing goes on: all rounds have ended", ({ state }) => {
      state.closing = 2;
    });
  if (closing < 2 || closing > 3 || writing || writes.length > 0) return;
  if (closing === 2 && unsaved)
    add("own", "closing goes on: what is not stored is written once more", ({ state }) => {
      state.closing = 3;
      state.writes.push("again");
    });
  else add("own", "the session is closed", closed);
}

function closed({ state, dispatch }: Scene): void {
  state.closing = 4;
  state.unsaved = null;
  dispatch({ type: "close" });
}

// Peers keep the rules: they renew in their turn, and what they present was not presented before.
function addPeer(add: Add, state: State): void {
  const { store, rounds, redeemed } = state;
  const isTurn = !rounds.some(({ isInSection }) => isInSection);
  if (store !== 0 && isTurn && !(redeemed & bitOf(store)) && generationIn(store) < 5)
    add(
      "odd",
      `a peer renews ${nameOf(store)}`,
      ({ state }) => {
        state.redeemed |= bitOf(store);
        peerWrites(state, codeAt(familyIn(store), generationIn(store) + 1));
      },
      { type: "peer", how: "renews" },
    );
  if (hasRoom(state))
    add("odd", "a peer signs in", ({ state }) => peerWrites(state, codeAt(state.families++, 0)), {
      type: "peer",
      how: "signsIn",
    });
  if (store !== 0)
    add("odd", "a peer signs out", ({ state }) => peerWrites(state, 0), { type: "peer", how: "signsOut" });
}

function peerWrites(state: State, code: Code): void {
  state.store = code;
  state.safe |= bitOf(code);
  state.hint = true;
}
