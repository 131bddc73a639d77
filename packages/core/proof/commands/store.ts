import type { SessionRecord, SessionStore } from "../../src/index.ts";

/** `memory`: answers at once. `private`: later. `shared`: later, and with others. */
export type StoreKind = "memory" | "private" | "shared";

/** What befalls one call. `torn`: it is written, and called a failure. */
export type StoreFault = "fails" | "torn" | "hangs";

/** What a store tells whoever watches it. */
export interface Onlooker {
  saving(record: SessionRecord | null): (ended: "stored" | "lost" | "failed") => void;
  loading(): (ended: SessionRecord | null | "failed") => void;
  /** A write acts. */
  wrote(record: SessionRecord | null, before: SessionRecord | null): void;
}

export interface ScriptedStore {
  readonly store: SessionStore;
  held: SessionRecord | null;
  next(call: "load" | "save" | "exclusive", fault: StoreFault): void;
  forgetFaults(): void;
  /** Tells the session that something has changed. */
  hint(): void;
  /** Runs something of another's in its turn. */
  inTurn(work: () => void): Promise<void>;
  readonly listeners: number;
}

type Turn = (label: string) => Promise<void>;

export function createStore(kind: StoreKind, turn: Turn, onlooker: Onlooker): ScriptedStore {
  const faults = {
    load: [] as StoreFault[],
    save: [] as StoreFault[],
    exclusive: [] as StoreFault[],
  };
  const listeners = new Set<() => void>();
  let last: Promise<unknown> = Promise.resolve();

  function write(record: SessionRecord | null, expected: SessionRecord | null | undefined): boolean {
    if (expected !== undefined && !isSame(scripted.held, expected)) return false;
    const before = scripted.held;
    scripted.held = record;
    onlooker.wrote(record, before);
    return true;
  }

  function loadAtOnce(): SessionRecord | null {
    const ended = onlooker.loading();
    if (faults.load.shift()) {
      ended("failed");
      throw new Error("the store cannot be read");
    }
    ended(scripted.held);
    return scripted.held;
  }

  function saveAtOnce(record: SessionRecord | null, expected?: SessionRecord | null): boolean {
    const ended = onlooker.saving(record);
    const fault = faults.save.shift();
    if (fault === "torn") write(record, expected);
    if (fault) {
      ended("failed");
      throw new Error("disk full");
    }
    const stored = write(record, expected);
    ended(stored ? "stored" : "lost");
    return stored;
  }

  async function load(): Promise<SessionRecord | null> {
    const ended = onlooker.loading();
    const fault = faults.load.shift();
    if (fault === "hangs") return never();
    await turn("the store reads");
    const found = scripted.held;
    await turn(`the store answers ${nameOf(found)}`);
    ended(fault ? "failed" : found);
    if (fault) throw new Error("the store cannot be read");
    return found;
  }

  async function save(record: SessionRecord | null, expected?: SessionRecord | null): Promise<boolean> {
    const ended = onlooker.saving(record);
    const fault = faults.save.shift();
    if (fault === "hangs") return never();
    await turn(`the store writes ${nameOf(record)}`);
    const stored = fault !== "fails" && write(record, expected);
    await turn(`the store has ${stored ? "" : "not "}written ${nameOf(record)}`);
    ended(fault ? "failed" : stored ? "stored" : "lost");
    if (fault) throw new Error("disk full");
    return stored;
  }

  async function inTurn<R>(task: () => Promise<R>, signal?: AbortSignal): Promise<R> {
    const before = last;
    let leave = () => {};
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    last = before.then(() => left);
    try {
      await (signal ? Promise.race([before, rejection(signal)]) : before);
      return await task();
    } finally {
      leave();
    }
  }

  async function exclusive<R>(
    task: () => Promise<R>,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<R> {
    const fault = faults.exclusive.shift();
    if (fault === "fails") throw new Error("no lock to be had");
    await (fault ? rejection(signal) : turn("the section opens"));
    return inTurn(task, signal);
  }

  function subscribe(changed: () => void): () => void {
    listeners.add(changed);
    return () => listeners.delete(changed);
  }

  const scripted: ScriptedStore = {
    store:
      kind === "memory"
        ? { load: loadAtOnce, save: saveAtOnce }
        : kind === "private"
          ? { load, save }
          : { load, save, exclusive, subscribe },
    held: null,
    next: (call, fault) => faults[call].push(fault),
    forgetFaults() {
      for (const scripts of Object.values(faults)) scripts.length = 0;
    },
    hint() {
      for (const listener of listeners) listener();
    },
    inTurn: (work) => inTurn(async () => work()),
    get listeners() {
      return listeners.size;
    },
  };
  return scripted;
}

export function nameOf(record: SessionRecord | null): string {
  return record?.tokens.refreshToken ?? "nothing";
}

function isSame(one: SessionRecord | null, other: SessionRecord | null): boolean {
  return one?.family === other?.family && one?.generation === other?.generation;
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
