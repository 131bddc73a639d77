import type { Journal } from "./journal.ts";

/** A fetch at which one can see what a client really sends, and what comes back. */
export interface Wire {
  readonly fetch: typeof fetch;
  /** Whether token responses say when the token expires. RFC 6749 §5.1 recommends it; some servers never do. */
  tellsExpiry: boolean;
  /** When the client's newest tokens came, by `performance.now()`. */
  readonly renewedAt: number;
  /** How old the client's tokens were, in ms, at each refresh. */
  readonly agesAtRefresh: readonly number[];
  /** How many refusals were of a token that the client had replaced by then. */
  readonly lateRefusals: number;
  /** When a URL left for the first time. */
  sentAt(url: string): number | undefined;
}

/** Listens to a client that has just signed in. Each of its requests must have a URL of its own. */
export function createWire(journal: Journal, accessToken: string): Wire {
  const sent = new Map<string, number>();
  const agesAtRefresh: number[] = [];
  let newest = accessToken;
  let renewedAt = performance.now();
  let lateRefusals = 0;
  let tellsExpiry = true;

  async function send(url: string, init: RequestInit = {}): Promise<Response> {
    if (sent.has(url)) journal.note("replayed");
    else sent.set(url, performance.now());
    const response = await fetch(url, init);
    if (response.status === 401) {
      journal.note("refused");
      if (new Headers(init.headers).get("authorization") !== `Bearer ${newest}`) lateRefusals += 1;
    }
    return response;
  }

  async function refresh(url: string, init: RequestInit): Promise<Response> {
    const start = performance.now();
    agesAtRefresh.push(start - renewedAt);
    const response = await fetch(url, init);
    const answer = (await response.json()) as Record<string, unknown>;
    journal.note("refresh", start);
    if (response.ok) {
      newest = String(answer.access_token);
      renewedAt = performance.now();
    }
    if (!tellsExpiry) delete answer.expires_in;
    return Response.json(answer, { status: response.status });
  }

  return {
    fetch: (input, init) =>
      init?.method === "POST" ? refresh(String(input), init) : send(String(input), init),
    get tellsExpiry() {
      return tellsExpiry;
    },
    set tellsExpiry(tells) {
      tellsExpiry = tells;
    },
    get renewedAt() {
      return renewedAt;
    },
    agesAtRefresh,
    get lateRefusals() {
      return lateRefusals;
    },
    sentAt: (url) => sent.get(url),
  };
}
