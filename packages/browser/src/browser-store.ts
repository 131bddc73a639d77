import type { SessionStore } from "@freshtoken/core";
import { createDatabase } from "./database.ts";
import { hash } from "./hash.ts";
import { subscribe, tell } from "./hint.ts";
import { createRecord } from "./record.ts";
import { createSection } from "./section.ts";

export interface BrowserStoreOptions {
  /** Which session of this origin: pages and workers that say the same name share it. Not a secret. */
  readonly name: string;
  /**
   * How long one exclusive section may last, in ms: then the next in turn has it, whatever the page waits for. More
   * than a session needs for two attempts and their calls to the store. A page that is frozen, or busy, cannot look
   * at the time: it ends its section when it goes on. @default 60_000
   */
  readonly longestSection?: number | undefined;
  /**
   * Where there are no Web Locks: how long a page that is gone, left or frozen keeps its turn, in ms. Less than
   * `refreshTimeout`, so that nobody fails for it. @default 5_000
   */
  readonly lease?: number | undefined;
}

/**
 * Keeps a session in the browser, for all pages and workers of an origin: in IndexedDB, with one refresh among them.
 * Where the browser stores nothing, each page keeps its own in memory, and the session says `storeFailed` once.
 *
 * @throws TypeError that names the option that is wrong, and what arrived
 * @example
 * import { browserStore } from "@freshtoken/browser";
 * import { createSession } from "@freshtoken/core";
 *
 * const session = createSession({ refresh, store: browserStore({ name: "main" }) });
 */
export function browserStore({
  name,
  longestSection = 60_000,
  lease = 5_000,
}: BrowserStoreOptions): Required<SessionStore> {
  // A timer of 2 ** 31 ms and more ends at once.
  for (const [option, value] of Object.entries({ name, longestSection, lease }))
    if (
      option === "name"
        ? !value || typeof value !== "string"
        : !(typeof value === "number" && value > 0 && value < 2 ** 31)
    )
      throw new TypeError(`${option} cannot be ${value}`);
  const shared = `freshtoken-${hash(name)}`;
  const database = createDatabase();
  return {
    ...createRecord(name, database, () => tell(shared)),
    exclusive: createSection(shared, longestSection, async (...turn) =>
      (await import("./lease.ts")).createLease(["lease", name], lease, database)(...turn),
    ),
    subscribe: (changed) => subscribe(shared, changed),
  };
}
