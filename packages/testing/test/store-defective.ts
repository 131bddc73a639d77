import type { SessionRecord, SessionStore } from "@freshtoken/core";
import { type Ground, isSame, recordIn, right, tell, type View, write } from "./store-subject.ts";

type Held = SessionRecord | null;
type Task<R> = () => Promise<R>;
type Exclusive = NonNullable<SessionStore["exclusive"]>;
type Subscribe = NonNullable<SessionStore["subscribe"]>;

/** The right store, but for a part of it. */
export function but(change: (store: Required<SessionStore>, ground: Ground) => Partial<SessionStore>): View {
  return (ground) => {
    const store = right(ground) as Required<SessionStore>;
    return { ...store, ...change(store, ground) };
  };
}

/** The right store, but for what it makes of a record on its way in. */
export function storing(made: (record: SessionRecord) => unknown): View {
  return but(({ save }) => ({
    save: (record, ...expected) => save(record && (made(record) as SessionRecord), ...expected),
  }));
}

/** The right store, but for whether a save may go through. Undefined: as the right one has it. */
export function comparing(judge: (held: Held, expected: Held | undefined) => boolean | undefined): View {
  return but(({ save }, ground) => ({
    async save(record, expected) {
      const verdict = judge(recordIn(ground), expected);
      if (verdict === undefined) return expected === undefined ? save(record) : save(record, expected);
      if (verdict) await save(record);
      return verdict;
    },
  }));
}

/** The right store, but for how a task comes into its section, given the turns of the right one. */
export function entering(
  enter: <R>(task: Task<R>, signal: AbortSignal, exclusive: Exclusive, ground: Ground) => Promise<R>,
): View {
  return but(({ exclusive }, ground) => ({
    exclusive: (task, { signal }) => enter(task, signal, exclusive, ground),
  }));
}

/** The right store, but for when it leaves the section, given the task that runs in it. */
export function leaving(left: (running: Promise<unknown>, signal: AbortSignal) => Promise<unknown>): View {
  return entering(
    (task, signal, exclusive) =>
      new Promise((resolve, reject) => {
        async function inside(): Promise<void> {
          const running = Promise.resolve().then(task);
          running.then(resolve, reject);
          await left(running, signal);
        }
        exclusive(inside, { signal }).catch(reject);
      }),
  );
}

/** The right store, but for how it takes a listener. */
export function listening(listen: (changed: () => void, subscribe: Subscribe) => () => void): View {
  return but(({ subscribe }) => ({ subscribe: (changed) => listen(changed, subscribe) }));
}

/** The right store, but for when it writes and when it tells of that. */
export function saving(
  save: (record: Held, written: () => boolean, tell: () => void) => Promise<boolean>,
): View {
  return but((_, ground) => ({
    save: (record, expected) =>
      save(
        record,
        () => write(ground, record, expected),
        () => tell(ground),
      ),
  }));
}

/** Has room for so many characters of JSON. */
export function roomy(most: number): View {
  return but(({ save }) => ({
    async save(record, ...expected) {
      if (JSON.stringify(record).length > most) throw new RangeError("no room");
      return save(record, ...expected);
    },
  }));
}

/** Keeps a record for each who opens it. */
export const parting: View = () => right({ text: "null", turn: Promise.resolve(), listeners: new Map() });

/** Keeps objects as they come and go. */
export function aliasing(copies: "saved" | "loaded" | "neither"): View {
  const objects = new WeakMap<Ground, Held>();
  return but((_, ground) => ({
    async load() {
      const held = objects.get(ground) ?? null;
      return copies === "loaded" ? structuredClone(held) : held;
    },
    async save(record, expected) {
      const isWritten = write(ground, record, expected);
      if (isWritten) objects.set(ground, copies === "saved" ? structuredClone(record) : record);
      if (isWritten) tell(ground);
      return isWritten;
    },
  }));
}

/** Keeps what it has seen, and never looks again. */
export const caching: View = but(({ load, save }, ground) => {
  let seen: Promise<Held> | undefined;
  return {
    load() {
      seen ??= Promise.resolve(load());
      return seen;
    },
    async save(record, expected) {
      seen ??= Promise.resolve(recordIn(ground));
      if (expected !== undefined && !isSame(await seen, expected)) return false;
      seen = Promise.resolve(record);
      return save(record);
    },
  };
});

/** Shows what was there when the section was asked for, as a replica that lags behind does. */
export const lagging: View = but(({ load, exclusive }, ground) => {
  let shown: Held | undefined;
  return {
    load: () => (shown === undefined ? load() : shown),
    async exclusive(task, options) {
      const before = recordIn(ground);
      return exclusive(async () => {
        shown = before;
        try {
          return await task();
        } finally {
          shown = undefined;
        }
      }, options);
    },
  };
});

/** Writes the parts of a record one after the other. */
export const piecemeal: View = but((_, ground) => ({
  async save(record, expected) {
    const held = recordIn(ground);
    if (!write(ground, record, expected)) return false;
    ground.text = JSON.stringify(record && held ? { ...record, tokens: held.tokens } : record);
    await Promise.resolve();
    ground.text = JSON.stringify(record);
    tell(ground);
    return true;
  },
}));

/** Takes turns, each context by itself. */
export const takingOwnTurns: View = (ground) => {
  const own = right({ text: "null", turn: Promise.resolve(), listeners: new Map() });
  const { exclusive } = own as Required<SessionStore>;
  return { ...right(ground), exclusive };
};

/** Makes everybody who saves wait for the section. */
export const lockingSaves: View = but(({ save, exclusive }) => {
  let isInside = false;
  return {
    exclusive: (task, options) =>
      exclusive(async () => {
        isInside = true;
        try {
          return await task();
        } finally {
          isInside = false;
        }
      }, options),
    save(record, ...expected) {
      if (isInside) return save(record, ...expected);
      return exclusive(async () => save(record, ...expected), { signal: new AbortController().signal });
    },
  };
});

/** Lets so many wait for the section, and no more. */
export function crowded(most: number): View {
  const waiting = new WeakMap<Ground, number>();
  return entering(async (task, signal, exclusive, ground) => {
    const before = waiting.get(ground) ?? 0;
    if (before === most) throw new RangeError("too many wait");
    waiting.set(ground, before + 1);
    return exclusive(task, { signal }).finally(() =>
      waiting.set(ground, (waiting.get(ground) ?? 0) - 1),
    ) as ReturnType<typeof task>;
  });
}

/** Tells its listeners through one channel, which it opens once and closes when as many were undone as subscribed. */
export function channelled({ reopens, counts }: { reopens: boolean; counts: boolean }): View {
  return but(({ subscribe }) => {
    const listeners = new Set<() => void>();
    let subscribed = 0;
    let close: (() => void) | undefined;
    let wasOpen = false;
    return {
      subscribe(changed) {
        const listener = () => changed();
        listeners.add(listener);
        subscribed += 1;
        if (!close && (reopens || !wasOpen)) {
          close = subscribe(() => {
            for (const told of listeners) told();
          });
          wasOpen = true;
        }
        return () => {
          const isUndone = listeners.delete(listener);
          if (isUndone || counts) subscribed -= 1;
          if (subscribed > 0) return;
          close?.();
          close = undefined;
        };
      },
    };
  });
}
