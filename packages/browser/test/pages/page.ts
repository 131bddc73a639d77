// Runs in the pages and workers of the tests: a session on the shared store, and what a test may ask of it.
import { createSession, type SessionEvent, type SessionOptions, type TokenResponse } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { type BrowserStoreOptions, browserStore } from "../../src/index.ts";

/** How a page makes its session: the query of its address, as JSON. */
export interface PageOptions
  extends Partial<BrowserStoreOptions>,
    Pick<SessionOptions, "refreshTimeout" | "tokens"> {
  /** What the browser has in place of locks. @default locks */
  readonly locks?: keyof typeof instead;
}

/** What a test may ask of a page. */
export interface Tab {
  /** Sends so many requests together. Resolves with how each ended: a status, or the name of an error. */
  get(count: number): Promise<(number | string)[]>;
  /** As `get`, not waited for; `ended` tells later. */
  begin(count: number): void;
  ended(): Promise<(number | string)[]>;
  signIn(tokens: TokenResponse): Promise<void>;
  signOut(): Promise<void>;
  /** What the session is: its status, and the access token that it serves. */
  state(): Promise<string>;
  /** What the session has told so far: the types of its events, and by whom. */
  events(): string[];
  /** Resolves once an event of this type was told. */
  told(event: string): Promise<void>;
  /** Resolves once the session is as `state` tells it. */
  becomes(state: string): Promise<void>;
  /** How often this document was shown again from the back-forward cache. */
  returns(): number;
}

// What was seen where there should be locks: nothing on an origin that is not secure, the others in the field.
const instead = {
  none: undefined,
  null: { request: async (_: string, _options: unknown, task: (lock: null) => unknown) => task(null) },
  denied: { request: async () => Promise.reject(new DOMException("no locks here", "SecurityError")) },
};

const query = decodeURIComponent(location.search.slice(1)) || "{}";
const { locks, name = "main", lease, longestSection, ...options }: PageOptions = JSON.parse(query);
if (locks) Object.defineProperty(navigator, "locks", { value: instead[locks] });

// A document is one client of the server, for as long as it lives.
const by = Math.random().toString(36).slice(2);
const events: string[] = [];
const watchers = new Set<() => void>();
let requests = 0;
let returns = 0;
let begun: Promise<(number | string)[]> = Promise.resolve([]);

const session = createSession({
  refresh: ({ refreshToken, signal }) =>
    fetch("/token", {
      method: "POST",
      headers: { "x-by": by },
      body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }),
      signal,
    }),
  revoke: async ({ refreshToken = "" }) => {
    await fetch("/revoke", {
      method: "POST",
      headers: { "x-by": by },
      body: new URLSearchParams({ token: refreshToken }),
    });
  },
  store: browserStore({ name, lease, longestSection }),
  // Twenty expiries a minute are a test's, not an attacker's.
  refusalLimit: false,
  ...options,
});
const authorized = sessionFetch(session, { origins: [location.origin] });

session.subscribe((event) => {
  events.push(nameOf(event));
  for (const watch of watchers) watch();
});
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) returns++;
});

function nameOf(event: SessionEvent): string {
  const { type, by: who, error } = event as { type: string; by?: string; error?: unknown };
  return [type, who === "another" && "by another", error && `${(error as Error).name}`]
    .filter(Boolean)
    .join(" ");
}

async function once(): Promise<number | string> {
  const id = `${by}-${requests++}`;
  try {
    const answer = await authorized("/me", { cache: "no-store", headers: { "x-by": by, "x-request": id } });
    await answer.text();
    return answer.status;
  } catch (error) {
    return (error as Error).name;
  }
}

function when(holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const watch = () => {
      if (!holds()) return;
      watchers.delete(watch);
      resolve();
    };
    watchers.add(watch);
    watch();
  });
}

function told(): string {
  const { state } = session;
  return state.status === "signedIn" ? `signedIn ${state.tokens.accessToken}` : state.status;
}

const tab: Tab = {
  get: (count) => Promise.all(Array.from({ length: count }, once)),
  begin(count) {
    begun = tab.get(count);
  },
  ended: () => begun,
  signIn: (tokens) => session.signIn(tokens),
  signOut: () => session.signOut(),
  async state() {
    await session.loaded;
    return told();
  },
  events: () => events,
  told: (event) => when(() => events.includes(event)),
  becomes: (state) => when(() => told() === state),
  returns: () => returns,
};
Object.assign(globalThis, { tab });
