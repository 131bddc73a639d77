import { within } from "./deadline.ts";
import type { Settings } from "./options.ts";
import { type SessionRecord, sameRecord } from "./store.ts";
import type { TokenSet } from "./tokens.ts";

/** Stored; lost against somebody who wrote first; failed, and to be tried again; or skipped, for want of a reason. */
export type Written = "stored" | "lost" | "failed" | "skipped";

export interface Write {
  readonly record: SessionRecord | null;
  /** Asked when its turn has come. */
  due(): boolean;
  /** Hears how it ended before the next one begins; also each time that a failed one was tried again. */
  ended(written: Written): void;
}

/** What the store is thought to hold: only where it does, a write is to win. Undefined: whatever it holds. */
type Thought = SessionRecord | null | undefined;

/** Writes to the store one at a time, in order; and again, later, what could not be written. */
export interface Writer {
  write(write: Write): Promise<Written>;
  /** Waits until the writes so far have ended, well or not; undefined: they have. */
  written(): Promise<unknown> | undefined;
  /** Something is not written yet. */
  readonly isPending: boolean;
  /** What is being written just now; undefined: nothing is. */
  readonly writing: Thought;
  /** Tries once more what is not stored, forgets the timer, and waits for what is under way. */
  close(): Promise<void>;
}

const MOST_TRIES = 10;

export function createWriter(
  { store, clock, refreshTimeout }: Settings,
  expected: () => Thought,
  look: () => Promise<SessionRecord | null>,
  storeFailed: (error: unknown, tokens: TokenSet | undefined) => void,
): Writer {
  let last: Promise<unknown> = Promise.resolve();
  let turns = 0;
  let unsaved: Write | undefined;
  let failures = 0;
  let writing: Thought;
  let stop = () => {};

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = last.then(task);
    turns++;
    last = turn.catch(() => {}).finally(() => turns--);
    return turn;
  }

  // What failed may have landed all the same, or another has been there since. And what is to be overwritten is looked
  // at, so that this write, too, lands only over that: should it be given up and come late, it undoes nothing later.
  async function lookAndPerform(wanted: Write): Promise<Written> {
    return perform(wanted, wanted.due() ? await look().catch(() => undefined) : undefined);
  }

  async function perform(wanted: Write, found?: Thought): Promise<Written> {
    const thought = over(found);
    // A removal is written all the same: a store may keep that somebody has signed out.
    const isThere = found != null && sameRecord(found, wanted.record);
    // Of two answers to one refresh token the first that was stored stays.
    const isTaken = !isThere && thought != null && sameRecord(thought, wanted.record);
    let written: Written = "skipped";
    if (wanted.due() && !isTaken) written = isThere ? "stored" : await save(wanted, thought);
    if (written === "lost") written = await lost(wanted, thought);
    if (written !== "failed") failures = 0;
    wanted.ended(written);
    return written;
  }

  function over(found: Thought): Thought {
    const known = expected();
    return known === undefined ? found : known;
  }

  // Lost against what it is to follow, which has landed late, or to overwrite: known by now, it is written over. Of
  // several who overwrite at once each loses to one more, so that the last of them stays.
  async function lost(wanted: Write, first: Thought): Promise<Written> {
    let thought = first;
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const found = await look().catch(() => undefined);
      // Lost against itself: an earlier try that came too late has landed, or another wrote the same generation.
      if (found !== undefined && sameRecord(found, wanted.record)) return "stored";
      if (!wanted.due()) return "lost";
      const next = over(found);
      const isNews = next !== undefined && (thought === undefined || !sameRecord(next, thought));
      // Lost against nothing: what is there is no record.
      const isForeign = !isNews && next === null && found === null;
      if (!isNews && !isForeign) break;
      const written = await save(wanted, isNews ? next : undefined);
      if (written !== "lost") return written;
      if (isForeign) break;
      thought = next;
    }
    return failed(wanted, new Error("save() of the store lost, yet load() shows no winner"));
  }

  async function save(wanted: Write, thought: Thought): Promise<Written> {
    forget();
    const { record } = wanted;
    const saving = () => (thought === undefined ? store.save(record) : store.save(record, thought));
    writing = record;
    try {
      const stored = await within(saving, refreshTimeout, clock, "save() of the store");
      return stored === false ? "lost" : "stored";
    } catch (error) {
      return failed(wanted, error);
    } finally {
      writing = undefined;
    }
  }

  function failed(wanted: Write, error: unknown): Written {
    storeFailed(error, wanted.record?.tokens);
    unsaved = wanted;
    const ms = Math.min(300 * 2 ** failures++, 30_000) * (0.5 + clock.random() / 2);
    stop = clock.timer(() => void again(wanted), ms, false);
    return "failed";
  }

  function again(wanted: Write): Promise<unknown> {
    return inTurn(async () => {
      if (unsaved !== wanted) return;
      forget();
      await lookAndPerform(wanted);
    });
  }

  function forget(): void {
    stop();
    unsaved = undefined;
  }

  return {
    write: (wanted) => inTurn(() => (expected() === undefined ? lookAndPerform(wanted) : perform(wanted))),
    written: () => (turns > 0 ? last : undefined),
    get isPending() {
      return turns > 0 || unsaved !== undefined;
    },
    get writing() {
      return writing;
    },
    async close() {
      await last;
      if (unsaved) await again(unsaved);
      stop();
    },
  };
}
