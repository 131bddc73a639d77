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

/** Writes to the store one at a time, in order; and again, later, what could not be written. */
export interface Writer {
  write(write: Write): Promise<Written>;
  /** What is being written just now. */
  readonly writing: SessionRecord | null;
  /** Tries once more what is not stored, forgets the timer, and waits for what is under way. */
  close(): Promise<void>;
}

export function createWriter(
  { store, clock, refreshTimeout }: Settings,
  /** What the store is thought to hold: only where it does, a write is to win. Undefined: whatever it holds. */
  expected: () => SessionRecord | null | undefined,
  look: () => Promise<SessionRecord | null>,
  storeFailed: (error: unknown, tokens: TokenSet | undefined) => void,
): Writer {
  let last: Promise<unknown> = Promise.resolve();
  let unsaved: Write | undefined;
  let failures = 0;
  let writing: SessionRecord | null = null;
  let stop = () => {};

  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = last.then(task);
    last = turn.catch(() => {});
    return turn;
  }

  async function perform(wanted: Write): Promise<Written> {
    let written = wanted.due() ? await save(wanted) : "skipped";
    if (written === "lost") {
      const found = await look().catch(() => undefined);
      // Lost against itself: an earlier try that came too late has landed, or another wrote the same generation.
      if (found !== undefined && sameRecord(found, wanted.record)) written = "stored";
      else if (wanted.due())
        written = failed(wanted, new Error("save() of the store lost, yet load() shows no winner"));
    }
    if (written !== "failed") failures = 0;
    wanted.ended(written);
    return written;
  }

  async function save(wanted: Write): Promise<Written> {
    forget();
    const { record } = wanted;
    const thought = expected();
    const saving = () => (thought === undefined ? store.save(record) : store.save(record, thought));
    writing = record;
    try {
      const stored = await within(saving, refreshTimeout, clock, "save() of the store");
      return stored === false ? "lost" : "stored";
    } catch (error) {
      return failed(wanted, error);
    } finally {
      writing = null;
    }
  }

  function failed(wanted: Write, error: unknown): Written {
    storeFailed(error, wanted.record?.tokens);
    unsaved = wanted;
    const ms = Math.min(300 * 2 ** failures++, 30_000) * (0.5 + clock.random() / 2);
    stop = clock.timer(() => void again(), ms, false);
    return "failed";
  }

  function again(): Promise<unknown> {
    return inTurn(async () => {
      const wanted = unsaved;
      forget();
      if (wanted) await perform(wanted);
    });
  }

  function forget(): void {
    stop();
    unsaved = undefined;
  }

  return {
    write: (wanted) => inTurn(() => perform(wanted)),
    get writing() {
      return writing;
    },
    async close() {
      await (unsaved ? again() : last);
      stop();
    },
  };
}
