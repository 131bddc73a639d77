import type { SessionRecord, SessionStore } from "@freshtoken/core";
import type { Gate } from "@freshtoken/testing";

/** What befalls one call, given what it would do. */
export type StoreFault = (perform: () => unknown) => unknown;

/** A store that several sessions of one process share, as tabs share a database. */
export interface SharedStore {
  /** The store as one more session sees it: hints come from the others. */
  peer(): SessionStore;
  /** What it holds. Setting it is a write that nobody hears of. */
  held: SessionRecord | null;
  /** Every call and what came of it, in order: `save a1`, `saved a1` or `lost a1`; tokens stand for records. */
  readonly log: string[];
  /** Scripts what befalls the next calls, one after the other. */
  next(call: Call, ...faults: readonly StoreFault[]): void;
  /** Tells everybody that something has changed. */
  hint(): void;
  /** How many are subscribed. */
  readonly listeners: number;
}

type Call = "load" | "save" | "exclusive";

export const hangs: StoreFault = () => new Promise(() => {});
export const rejects: StoreFault = () => Promise.reject(new Error("disk full"));
export const throws: StoreFault = () => {
  throw new Error("disk full");
};
export const loses: StoreFault = () => false;
/** Does its work only once the gate opens. */
export function late(gate: Gate): StoreFault {
  return (perform) => gate.pass().then(perform);
}

export function createSharedStore(held: SessionRecord | null = null): SharedStore {
  const log: string[] = [];
  const listeners = new Set<() => void>();
  const faults: { readonly call: Call; readonly fault: StoreFault }[] = [];
  let last: Promise<unknown> = Promise.resolve();

  function call<T>(name: Call, perform: () => T): T | Promise<T> {
    const index = faults.findIndex((scripted) => scripted.call === name);
    const [scripted] = index < 0 ? [] : faults.splice(index, 1);
    return (scripted ? scripted.fault(perform) : Promise.resolve().then(perform)) as Promise<T>;
  }

  async function inTurn<R>(task: () => Promise<R>, signal: AbortSignal): Promise<R> {
    const before = last;
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    last = before.then(() => left);
    try {
      await Promise.race([before, rejection(signal)]);
      log.push("enter");
      return await task();
    } finally {
      log.push("leave");
      leave();
    }
  }

  function peer(): SessionStore {
    let own: (() => void) | undefined;
    return {
      load() {
        log.push("load");
        return call("load", () => {
          log.push(`loaded ${nameOf(store.held)}`);
          return store.held;
        });
      },
      save(record, expected) {
        log.push(`save ${nameOf(record)}`);
        return call("save", () => {
          const lost = expected !== undefined && !isSame(store.held, expected);
          log.push(`${lost ? "lost" : "saved"} ${nameOf(record)}`);
          if (lost) return false;
          store.held = record;
          for (const listener of listeners) if (listener !== own) listener();
          return true;
        });
      },
      exclusive: (task, { signal }) =>
        call("exclusive", () => inTurn(task, signal)) as ReturnType<typeof task>,
      subscribe(changed) {
        own = changed;
        listeners.add(changed);
        return () => listeners.delete(changed);
      },
    };
  }

  const store: SharedStore = {
    peer,
    held,
    log,
    next: (name, ...scripted) => faults.push(...scripted.map((fault) => ({ call: name, fault }))),
    hint() {
      for (const listener of listeners) listener();
    },
    get listeners() {
      return listeners.size;
    },
  };
  return store;
}

function nameOf(record: SessionRecord | null): string {
  return record?.tokens?.accessToken ?? "nothing";
}

function isSame(one: SessionRecord | null, other: SessionRecord | null): boolean {
  return one?.family === other?.family && one?.generation === other?.generation;
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
