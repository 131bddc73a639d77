import type { SessionRecord, SessionStore } from "@freshtoken/core";
import type { StoreSubject } from "../src/contract/index.ts";
import { settled } from "../src/index.ts";

/** Where the views of one record meet. */
export interface Ground {
  /** What is stored, as JSON. */
  text: string;
  /** Ends when the section is free for who asks next. */
  turn: Promise<unknown>;
  /** Who is told of a save, and by which view it is not to be made. */
  readonly listeners: Map<() => void, SessionStore>;
}

/** Makes one view of a ground. */
export type View = (ground: Ground) => SessionStore;

/** Any view under the contract: it is expected to do whatever a case may need. */
export function subjectOf(view: View): StoreSubject {
  return {
    begin() {
      const ground: Ground = { text: "null", turn: Promise.resolve(), listeners: new Map() };
      return { open: () => view(ground), listeners: () => ground.listeners.size };
    },
  };
}

/** What a store has to do, and no more. */
export const right: View = (ground) => {
  const store: SessionStore = {
    load: async () => recordIn(ground),
    async save(record, expected) {
      const isWritten = write(ground, record, expected);
      if (isWritten) tell(ground, store);
      return isWritten;
    },
    async exclusive(task, { signal }) {
      const { turn: before } = ground;
      let leave = () => {};
      const left = new Promise<void>((resolve) => {
        leave = resolve;
      });
      ground.turn = before.then(() => left);
      try {
        await Promise.race([before, rejection(signal)]);
        signal.throwIfAborted();
        return await task();
      } finally {
        leave();
      }
    },
    subscribe(changed) {
      const listener = () => changed();
      ground.listeners.set(listener, store);
      return () => ground.listeners.delete(listener);
    },
  };
  return store;
};

/** Does the same, now sooner and now later, and tells twice when it has long been done, and once for nothing. */
export const late: View = (ground) => {
  const { load, save, exclusive, subscribe } = right(ground) as Required<SessionStore>;
  let calls = 0;
  async function pause(): Promise<void> {
    for (let rounds = (calls++ * 7) % 5; rounds > 0; rounds--) await settled();
  }
  const store: SessionStore = {
    async load() {
      await pause();
      const record = await load();
      await pause();
      return record;
    },
    async save(record, ...expected) {
      await pause();
      const isWritten = await save(record, ...expected);
      await pause();
      return isWritten;
    },
    async exclusive(task, options) {
      await pause();
      return exclusive(task, options).finally(pause) as ReturnType<typeof task>;
    },
    subscribe(changed) {
      let isUndone = false;
      async function hint(): Promise<void> {
        await pause();
        try {
          if (!isUndone) changed();
        } catch {}
      }
      const undo = subscribe(() => void hint().then(hint));
      void hint();
      return () => {
        isUndone = true;
        undo();
      };
    },
  };
  return store;
};

/** Writes, where nothing else is expected, and says whether it did. Tells nobody. */
export function write(
  ground: Ground,
  record: SessionRecord | null,
  expected?: SessionRecord | null,
): boolean {
  if (expected !== undefined && !isSame(recordIn(ground), expected)) return false;
  ground.text = JSON.stringify(record);
  return true;
}

export function recordIn({ text }: Ground): SessionRecord | null {
  return JSON.parse(text);
}

export function isSame(one: SessionRecord | null, other: SessionRecord | null): boolean {
  return one?.family === other?.family && one?.generation === other?.generation;
}

/** Tells all listeners but those of one view. */
export function tell({ listeners }: Ground, except?: SessionStore): void {
  for (const [listener, view] of listeners) {
    if (view === except) continue;
    try {
      listener();
    } catch {}
  }
}

export function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
