import type { SessionStore } from "@freshtoken/core";

/** A store, as the contract meets it. */
export interface StoreSubject {
  /** Makes a fresh, empty place for one case. */
  begin(): StoreStage | Promise<StoreStage>;
  /** What the store cannot do, each with the reason. The cases that need it say so in `lacks`. */
  readonly cannot?: Readonly<Partial<Record<StoreAbility, string>>>;
}

/** Where the stores of one case keep their one record. */
export interface StoreStage {
  /**
   * Opens the store as one more context sees it: a tab, a process, a machine. The closer to that, the more is shown: a
   * connection of its own at least, a worker or a process of its own where the store is for those.
   */
  open(): SessionStore | Promise<SessionStore>;
  /**
   * How many subscriptions are left in this place; it may wait for those to go that were undone. Absent: nobody can tell,
   * and those that stay behind are not noticed.
   */
  listeners?(): number | Promise<number>;
  /** Closes all that was opened, after the case; also after one that was given up in the middle. */
  close?(): void | Promise<void>;
}

/** What some stores can do, and others cannot. */
export type StoreAbility =
  /** Keeps one record for all that open it. */
  | "share"
  /** Keeps a record of its own, apart from the objects that go in and come out. */
  | "copy"
  /** Keeps tokens of 64 KB. */
  | "large"
  /** Writes only over what is expected, where it is told what to expect. */
  | "compare"
  /** Has `exclusive`. */
  | "exclusive"
  /** Has `subscribe`. */
  | "subscribe";
