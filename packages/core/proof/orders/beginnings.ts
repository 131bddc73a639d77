import { unread } from "../../src/machine.ts";
import type { Beginning, Bounds } from "./bounds.ts";
import { newLook } from "./desk.ts";
import { bitOf, type Code, codeAt, recordOf } from "./record.ts";
import type { State } from "./state.ts";

const FIRST = codeAt(0, 0);

/** How a session can begin: with tokens just signed in, with what a store holds, with nothing, or to be restored. */
export function beginningOf(beginning: Beginning, bounds: Bounds): State {
  const isKnown = beginning === "signedIn";
  const store: Code = isKnown || beginning === "stored" ? FIRST : 0;
  return {
    machine: isKnown
      ? { ...unread, status: "signedIn", record: recordOf(FIRST), stored: recordOf(FIRST) }
      : { ...unread, status: "loading" },
    requests: [],
    unmade: bounds.requests,
    made: 0,
    streams: bounds.streams,
    rounds: [],
    latest: null,
    writes: [],
    writing: null,
    unsaved: null,
    opening: isKnown ? null : newLook(),
    hinted: null,
    isHintedAgain: false,
    hintWaits: false,
    hint: false,
    store,
    ghosts: [],
    closing: 0,
    disturbances: bounds.disturbances,
    families: store === 0 ? 0 : 1,
    isRestoring: beginning === "restore",
    isHaunted: false,
    isReturned: false,
    safe: bitOf(store),
    redeemed: 0,
    caused: 0,
    left: 0,
  };
}
