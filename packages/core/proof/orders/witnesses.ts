import { codeOf, familyIn, generationIn } from "./record.ts";
import type { Scene } from "./scene.ts";
import type { State } from "./state.ts";

type Sighting = (after: State, scene: Scene, before: State) => boolean;

const running = ({ rounds }: State) => rounds.filter(({ phase }) => phase !== "told");
const settled = ({ settled }: Scene, how: string) => settled.some((one) => one.how === how);

/** What is worth care, and must have been reached: a search that never came there has proved nothing about it. */
const SIGHTINGS: Readonly<Record<string, Sighting>> = {
  "two attempts of one family, the first of them given up": (state) =>
    running(state).some(({ phase, late }) => phase === "asking" && late !== 0),
  "two attempts of two families": (state) => {
    const asking = running(state).filter(({ phase }) => phase === "asking");
    return asking.some((one) => asking.some((other) => familyIn(one.from) !== familyIn(other.from)));
  },
  "a refusal of the newer token while a round for the older one runs": ({ machine }) =>
    machine.refused && machine.round !== null && codeOf(machine.round.from) < codeOf(machine.record),
  "a late result after a sign-out": ({ machine, rounds }, _, before) =>
    machine.status === "signedOut" &&
    rounds.some(({ late }, index) => late < (before.rounds[index]?.late ?? 0)),
  "another's record is adopted in mid-round": ({ machine }, _, before) =>
    machine.round !== null &&
    machine.round === before.machine.round &&
    generationIn(codeOf(machine.record)) > generationIn(codeOf(before.machine.record)),
  "a save has failed, and another's record is adopted": ({ unsaved, machine }) =>
    unsaved !== null &&
    unsaved.code !== 0 &&
    codeOf(machine.record) > unsaved.code &&
    codeOf(machine.stored ?? null) === codeOf(machine.record),
  "a request of family 0 is alive while another family is signed in": ({ requests, machine }) =>
    machine.status === "signedIn" && codeOf(machine.record) > 8 && requests.some(({ made }) => made === "f0"),
  "a round that was overtaken has its tokens, and the next family is signed in": (state) =>
    state.machine.status === "signedIn" &&
    running(state).some(({ phase, overtaken }) => overtaken && phase === "keeping"),
  "a held request is released to another generation": (_, { told }) =>
    told.some((line) => /leaves with f\d\.[1-9]/.test(line)),
  "a stale token waits out a cool-down": ({ machine }, scene) =>
    machine.coolDown !== null && settled(scene, "RefreshFailedError"),
  "a rejected round gives a refused request its 401": ({ machine }, scene) =>
    machine.rejected !== null && settled(scene, "its 401"),
  "a held request rejects with RefreshRejectedError": (_, scene) => settled(scene, "RefreshRejectedError"),
  "a stream is refused": (_, scene) => settled(scene, "NotReplayableError"),
  "a request passes through, signed out": (_, scene) => settled(scene, "passed through"),
  "a request rejects with SignedOutError": (_, scene) => settled(scene, "SignedOutError"),
  "a waiting request is aborted": (_, scene) => settled(scene, "aborted") && scene.settled.length === 1,
  "an attempt is repeated at once": (state) =>
    running(state).some(({ phase, repeated }) => phase === "asking" && repeated),
  "a round sleeps": (state) => running(state).some(({ phase }) => phase === "sleeping"),
  "a third attempt": (state) => running(state).some(({ attempts }) => attempts === 3),
  "a save loses against a peer": ({ writing }) => writing?.phase === "checking",
  "a write of ours is heard of before it has ended": ({ writing, hinted }) =>
    writing?.phase === "acted" && hinted?.seen === writing.write.code && writing.write.code !== 0,
  "a look looks again": ({ rounds }) => rounds.some(({ look }) => look?.dirty === true),
  "a rejection is not believed: another has rotated": ({ rounds, machine }) =>
    rounds.some(({ phase, from }) => phase === "believed" && codeOf(machine.record) > from),
  "the store is asked again after it could not be read": ({ machine, requests }, _, before) =>
    before.machine.status === "unread" && machine.status === "loading" && requests.length > 0,
  "a session is restored": ({ machine }, _, before) =>
    before.machine.status === "restoring" && machine.status === "signedIn",
  "a restoration is rejected": ({ machine }, _, before) =>
    before.machine.status === "restoring" && machine.status === "signedOut" && before.closing === 0,
  "a session is closed while a round runs": ({ closing, machine }) => closing === 1 && machine.round !== null,
  "a session is closed": ({ closing }) => closing === 4,
};

/** What steps themselves say. */
const SAID = [
  "three sends",
  "the refusal limit is reached",
  "a late result is an orphan after a sign-out",
] as const;

export interface Witnesses {
  readonly counts: Map<string, number>;
  add(name: string): void;
  look(before: State, after: State, scene: Scene): void;
}

export function createWitnesses(): Witnesses {
  const counts = new Map<string, number>();
  const add = (name: string) => void counts.set(name, (counts.get(name) ?? 0) + 1);
  const sightings = Object.entries(SIGHTINGS);
  return {
    counts,
    add,
    look(before, after, scene) {
      for (const [name, isSeen] of sightings) if (isSeen(after, scene, before)) add(name);
    },
  };
}

/** What takes more than the searches of the tests reach. */
const RARE: ReadonlySet<string> = new Set([
  "a late result after a sign-out",
  "a save has failed, and another's record is adopted",
  "a rejection is not believed: another has rotated",
  "a third attempt",
]);

/** Names what should have been reached, and was not. */
export function unseen(counts: ReadonlyMap<string, number>, isWhole: boolean): string[] {
  const names = [...Object.keys(SIGHTINGS), ...SAID];
  return names.filter((name) => !counts.has(name) && (isWhole || !RARE.has(name)));
}
