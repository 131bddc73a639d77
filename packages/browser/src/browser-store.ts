import type { SessionStore } from "@freshtoken/core";
import { createDatabase } from "./database.ts";
import { hash } from "./hash.ts";
import { createHint } from "./hint.ts";
import { createRecord } from "./record.ts";
import { createSection } from "./section.ts";

export interface BrowserStoreOptions {
  /** Which session of this origin: pages and workers that say the same name share it. Not a secret. */
  readonly name: string;
  /**
   * How long one exclusive section may last, in ms: then the next in turn has it, whatever the page that hangs is
   * doing. More than a session needs for two attempts and their calls to the store. @default 60_000
   */
  readonly longestSection?: number | undefined;
  /**
   * Where there are no Web Locks: how long a page that is gone keeps its turn, in ms. Less than `refreshTimeout`, so
   * that nobody fails for it. @default 5_000
   */
  readonly lease?: number | undefined;
}

/**
 * Keeps a session in the browser, for all pages and workers of an origin: in IndexedDB, with one refresh among them.
 * Where the browser stores nothing, each page keeps its own in memory, and the session says `storeFailed` once.
 *
 * @throws TypeError that names the options, where one is wrong
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
  if (typeof name !== "string" || !name || !(longestSection > 0) || !(lease > 0))
    throw new TypeError(
      "browserStore takes a `name`, and a `longestSection` and a `lease` of more than 0 ms",
    );
  const shared = `freshtoken-${hash(name)}`;
  const database = createDatabase();
  const { tell, subscribe } = createHint(shared);
  return {
    ...createRecord(name, database, tell),
    exclusive: createSection(shared, longestSection, async (task, signal) => {
      const { createLease } = await import("./lease.ts");
      return createLease(["lease", name], lease, database)(task, signal);
    }),
    subscribe,
  };
}
