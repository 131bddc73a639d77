import { entriesAt, type Gate, type ServerOptions } from "@freshtoken/testing";
import type { Browser, Page } from "./browser.ts";
import type { PageOptions } from "./page.ts";
import { openSite, type Site } from "./site.ts";

/** Two pages of one session, of which one is refreshing. */
export interface Scene<P extends Page> {
  readonly site: Site;
  /** It refreshes, for three requests; the other does not know yet. */
  readonly refreshing: P;
  readonly other: P;
  /** Holds the refresh. */
  readonly gate: Gate;
  /** Resolves once the server knows that nobody waits for the refresh any more. */
  abandoned(): Promise<void>;
  close(): Promise<void>;
}

/** The two sides of the moment that matters: whether the server has rotated the refresh token. */
export type Moment = "before" | "after";

export interface SceneOptions extends PageOptions {
  readonly server?: ServerOptions;
  /** How the site is reached, where it is not by its address. */
  readonly host?: string;
  /** The deadline of the other page. @default 2_500 */
  readonly patience?: number;
}

export async function midRefresh<P extends Page>(
  browser: Browser<P>,
  moment: Moment,
  { server: settings = {}, host, patience = 2_500, ...options }: SceneOptions = {},
): Promise<Scene<P>> {
  const site = await openSite(settings, host);
  const { server } = site;
  const [refreshing, other] = await Promise.all([
    browser.open(site.page(options)),
    browser.open(site.page({ ...options, refreshTimeout: patience })),
  ]);
  await refreshing.ask("signIn", server.signIn());
  await other.ask("becomes", "signedIn a0");
  server.expire();
  const gate = server.gate("token", moment === "before" ? "request" : "answer");
  await refreshing.ask("begin", 3);
  await gate.reached(1);
  return {
    site,
    refreshing,
    other,
    gate,
    abandoned: () =>
      server.when((log) => entriesAt(log, "token").every(({ status }) => status === "aborted")),
    async close() {
      gate.open();
      await Promise.all([refreshing, other].map((page) => page.close().catch(() => {})));
      await site.close();
    },
  };
}
