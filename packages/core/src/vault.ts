import { within } from "./deadline.ts";
import { digest } from "./digest.ts";
import type { Settings } from "./options.ts";
import { readRecord, type SessionRecord, sameRecord } from "./store.ts";
import { isThenable } from "./thenable.ts";
import type { TokenSet } from "./tokens.ts";
import { createWriter, type Write, type Written } from "./writer.ts";

/** What a vault tells its session, and asks of it. */
export interface Owner {
  /** What the store is thought to hold. Undefined: whatever it holds is to be overwritten. */
  stored(): SessionRecord | null | undefined;
  /** The tokens that an error of the store may quote. */
  known(): readonly TokenSet[];
  opened(record: SessionRecord | null): void;
  unreadable(cause: Error): void;
  /** `isInSection`: a round of ours has looked, in its exclusive section. */
  found(record: SessionRecord | null, isInSection: boolean): void;
  saved(record: SessionRecord | null, isStored: boolean): void;
  storeFailed(error: Error): void;
}

/** A write, as those who wish for one know it. */
export type Wish = Omit<Write, "ended"> & Partial<Pick<Write, "ended">>;

/** The store, as its session sees it: every call has a deadline, every record is checked, writes keep their order. */
export interface Vault {
  /** Reads for the first time: at once, where the store answers at once. */
  open(): void;
  /** Reads, and tells nobody. */
  read(): Promise<SessionRecord | null>;
  /** Reads, and tells the session what is there. Rejects when the store cannot be read in time. */
  look(isInSection?: boolean): Promise<SessionRecord | null>;
  /** Stores a record in its turn, where `due` still holds by then. One that lost has looked what is there. */
  save(wish: Wish): Promise<Written>;
  /** Waits until what was to be stored by now has been, or could not be; undefined: it has. */
  written(): Promise<unknown> | undefined;
  /** Something is not stored yet. */
  readonly isPending: boolean;
  /** Writes what is not stored yet, and listens to no more hints. */
  close(): Promise<void>;
}

const MOST_LOOKS = 10;

export function createVault(settings: Settings, owner: Owner): Vault {
  const { store, clock, scheme, refreshTimeout } = settings;
  const writer = createWriter(settings, owner.stored, look, storeFailed);
  // How often something was stored, and found.
  let stored = 0;
  let found = 0;
  let opening: Promise<void> = Promise.resolve();
  let hints = 0;
  let isClosed = false;
  const unsubscribe = subscribe();

  function subscribe(): (() => void) | undefined {
    try {
      return store.subscribe?.(() => void hinted());
    } catch (error) {
      storeFailed(error);
      return undefined;
    }
  }

  function open(): void {
    try {
      const value = store.load();
      if (isThenable(value)) {
        opening = bounded(() => value).then((loaded) => owner.opened(accept(loaded)), unreadable);
      } else {
        owner.opened(accept(value));
      }
    } catch (error) {
      // Later, so that those who asked for it wait by then.
      void Promise.resolve().then(() => unreadable(error));
    }
  }

  function unreadable(error: unknown): void {
    owner.unreadable(storeFailed(error));
  }

  async function read(): Promise<SessionRecord | null> {
    const value = await bounded(() => store.load()).catch((error: unknown) => {
      throw storeFailed(error);
    });
    return accept(value);
  }

  // Looks again where something was stored or found meanwhile: what was read may be older than that. Though not for ever:
  // under a flood of hints somebody else finds something during each look, and tells it.
  async function look(isInSection = false): Promise<SessionRecord | null> {
    for (let looks = 1; ; looks++) {
      const [storedBefore, foundBefore] = [stored, found];
      const record = await read();
      const isLatest = found === foundBefore;
      if (stored !== storedBefore || !(isLatest || looks === MOST_LOOKS)) continue;
      // A write of ours may be heard of before it has ended: how it ended will be told.
      const isOurs = writer.writing !== undefined && sameRecord(record, writer.writing);
      if (isLatest && !isOurs) owner.found(record, isInSection);
      found++;
      return record;
    }
  }

  // Hints that come during a look ask for one more.
  async function hinted(): Promise<void> {
    if (hints++ > 0) return;
    await opening;
    for (let seen = 0; seen !== hints && !isClosed; ) {
      seen = hints;
      await look().catch(() => {});
    }
    hints = 0;
  }

  function accept(value: unknown): SessionRecord | null {
    try {
      return readRecord(value, scheme);
    } catch (error) {
      storeFailed(error);
      return null;
    }
  }

  function storeFailed(error: unknown, tokens: TokenSet = {}): Error {
    const shown = digest(error, [tokens, ...owner.known()]);
    owner.storeFailed(shown);
    return shown;
  }

  function bounded<T>(call: () => T | PromiseLike<T>): Promise<T> {
    return within(call, refreshTimeout, clock, "load() of the store");
  }

  return {
    open,
    read,
    look,
    save: ({ record, due, ended }) =>
      writer.write({
        record,
        due,
        ended(written) {
          if (written === "stored") stored++;
          // What was signed in or out meanwhile is to overwrite whatever this has left there.
          if ((written === "stored" || written === "failed") && due())
            owner.saved(record, written === "stored");
          ended?.(written);
        },
      }),
    written: writer.written,
    get isPending() {
      return writer.isPending;
    },
    async close() {
      isClosed = true;
      await writer.close();
      try {
        unsubscribe?.();
      } catch {}
    },
  };
}
