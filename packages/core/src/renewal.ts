import { type Attempted, attempt } from "./attempt.ts";
import { digest } from "./digest.ts";
import type { Reason } from "./events.ts";
import type { Outcome, Round } from "./machine.ts";
import type { Settings } from "./options.ts";
import { exclusively } from "./section.ts";
import { type SessionRecord, sameRecord } from "./store.ts";
import type { TokenSet } from "./tokens.ts";
import type { Wish } from "./vault.ts";
import type { Verdict } from "./verdict.ts";
import type { Written } from "./writer.ts";

/** What a round needs of its session. */
export interface Desk {
  readonly settings: Settings;
  /** The signals that attempts were given. */
  readonly own: WeakSet<AbortSignal>;
  /** Reads the store, and tells the session what it holds. Rejects when it cannot be read in time. */
  look(): Promise<SessionRecord | null>;
  /** True while the session serves exactly this record, and nobody has signed in or out since the round began; null: none. */
  serves(record: SessionRecord | null): boolean;
  /** Stores a record in its turn, where `due` still holds by then. A lost write has looked what is there. */
  save(wish: Wish): Promise<Written>;
  /** Waits until what was to be stored by now has been, or could not be; undefined: it has. */
  written(): Promise<unknown> | undefined;
  /** Takes a record that was saved when its attempt no longer counted. */
  renewedLate(record: SessionRecord, stored: boolean): void;
  /** Takes tokens whose session has ended, or moved on, meanwhile. */
  orphan(tokens: TokenSet): void;
  attempting(reason: Reason, number: number): void;
  /** Waits; less, when there is nothing left to wait for. False: the session is being closed. */
  sleep(ms: number): Promise<boolean>;
}

// A longer Retry-After ends the round, and becomes its cool-down.
const LONGEST_WAIT = 5_000;

/**
 * One refresh: attempts, each in the exclusive section, and the back-off between them.
 * Resolves with how it ended, and never rejects. `overtaken` aborts when the session is no longer this round's.
 */
export async function renew({ reason, from }: Round, desk: Desk, overtaken: AbortSignal): Promise<Outcome> {
  const { settings } = desk;
  const known = [from.tokens];
  let attempts = 0;
  let pauses = 0;
  let repeated = false;
  // What came of this round first, where it could not be stored: what comes after it is an orphan.
  let concluded: SessionRecord | undefined;

  for (;;) {
    const ended = await exclusively(settings, section, overtaken).catch(unreachable);
    if (!("permanent" in ended)) return ended;
    // A section that ends too early may have brought no attempt.
    const tries = Math.max(attempts, pauses + 1);
    if (ended.permanent || tries >= settings.refreshAttempts || Number(ended.retryAfter) > LONGEST_WAIT) {
      return failed(ended);
    }
    // Only the round that the session waits for sleeps.
    if (!desk.serves(from)) return OVERTAKEN;
    const goesOn = await desk.sleep(Math.max(backOff(), ended.retryAfter ?? 0));
    if (!desk.serves(from)) return OVERTAKEN;
    if (!goesOn) return failed(ended);
    desk.attempting(reason, attempts + 1);
  }

  // All that others must not do at the same time: one load, one attempt with its one repeat, one save.
  // Where the section ended before its time, another may be redeeming the token that was loaded in it.
  async function section(isHeld = () => true): Promise<Outcome | Verdict> {
    const loaded = await desk.look();
    // A late answer may have brought newer tokens, which are served once they are stored.
    for (let pending = desk.written(); pending; pending = desk.written()) await pending;
    if (!desk.serves(from)) return OVERTAKEN;
    if (!isHeld()) return LEFT;
    const { tokens } = loaded && sameRecord(loaded, from) ? loaded : from;
    known.push(tokens);
    let answer = await ask(tokens);
    if (isLost(answer)) {
      // Who was stopped takes its sleep for a loss, and a peer may have renewed the tokens meanwhile. Where the store
      // does not tell, nobody knows whose turn it is by now: the next attempt takes a turn of its own.
      const isKnown = await desk.look().then(
        () => true,
        () => false,
      );
      if (!isKnown) return answer;
      for (let pending = desk.written(); pending; pending = desk.written()) await pending;
      if (!desk.serves(from)) return OVERTAKEN;
      if (!isHeld()) return LEFT;
      repeated = true;
      answer = await ask(tokens);
    }
    if (answer.type === "renewed") return conclude(answer, answer.tokens);
    if (answer.type === "rejected") return believe(answer);
    return answer.tokens ? conclude(answer, answer.tokens) : answer;
  }

  function ask(tokens: TokenSet): Promise<Attempted> {
    const context = { refreshToken: tokens.refreshToken ?? "", tokens, attempt: ++attempts };
    return attempt(settings, context, desk.own, (late) => {
      if (late.tokens) void concludeLate(late.tokens);
    });
  }

  function isLost(answer: Attempted): answer is Verdict {
    return answer.type === "failed" && answer.lost && !repeated && attempts < settings.refreshAttempts;
  }

  async function conclude(answer: Attempted, tokens: TokenSet): Promise<Outcome> {
    const record = next(tokens);
    const written = await keep(record);
    if (written === "skipped") desk.orphan(tokens);
    if (written === "skipped" || written === "lost") return OVERTAKEN;
    const stored = written === "stored";
    return answer.type === "renewed"
      ? { type: "renewed", record, stored }
      : failed(answer, { record, stored });
  }

  // An attempt that was given up may answer all the same. What it brings is taken while nothing newer is there:
  //   attempt 1 ──▶ (deadline) ┄┄┄┄┄┄┄┄┄▶ tokens: kept
  //   attempt 2      └──▶ waiting …        └──▶ answers later: an orphan
  async function concludeLate(tokens: TokenSet): Promise<void> {
    const record = next(tokens);
    await keep(record, (written) => {
      if (written === "skipped") desk.orphan(tokens);
      else if (written !== "lost") desk.renewedLate(record, written === "stored");
    });
  }

  function keep(record: SessionRecord, ended: (written: Written) => void = () => {}): Promise<Written> {
    return desk.save({
      record,
      // What could not be saved is due again also before the round's end is told, which waits until the section is left.
      due: () => (concluded ?? record) === record && (desk.serves(from) || desk.serves(concluded ?? from)),
      ended(written) {
        if (written === "failed") concluded ??= record;
        ended(written);
      },
    });
  }

  // Rejected is believed only after another look: where a peer has rotated the token since, this round is outrun.
  async function believe(verdict: Verdict): Promise<Outcome> {
    const found = await desk.look();
    const due = () => desk.serves(from) || desk.serves(null);
    // What is not of our family stays.
    const written = found?.family === from.family ? await desk.save({ record: null, due }) : "stored";
    return { type: "rejected", what: verdict.what, cause: evidence(verdict), stored: written === "stored" };
  }

  function failed(verdict: Verdict, rotated?: { record: SessionRecord; stored: boolean }): Outcome {
    // An answer that resists being read may quote what was sent.
    const { message: what } = digest(verdict.what, known);
    return { type: "failed", what, cause: evidence(verdict), retryAfter: verdict.retryAfter, rotated };
  }

  // The store, or its exclusive section, could not be used in time: failed, never rejected.
  function unreachable(error: unknown): Outcome {
    return { type: "failed", what: "the store could not be used", cause: digest(error, known) };
  }

  function evidence({ error }: Verdict): Error | undefined {
    return error === undefined ? undefined : digest(error, known);
  }

  function next(tokens: TokenSet): SessionRecord {
    return Object.freeze({ family: from.family, generation: from.generation + 1, tokens });
  }

  function backOff(): number {
    return Math.min(300 * 2 ** pauses++, 10_000) * (0.5 + settings.clock.random() / 2);
  }
}

const OVERTAKEN: Outcome = { type: "overtaken" };

const LEFT: Verdict = {
  type: "failed",
  what: "the exclusive section ended too early",
  error: undefined,
  lost: false,
  permanent: false,
};
