import type { Connection, Exchange, Session, SessionOptions } from "@freshtoken/core";
import { isReplayable, snapshot, tagOf } from "./body.ts";
import { released } from "./released.ts";

export interface SessionFetchOptions {
  /** The fetch underneath. @default the global one, as it is when a request is made */
  fetch?: typeof fetch | undefined;
  /** Which origins may see the token. @default those of the session, else the page's own */
  origins?: SessionOptions["origins"];
}

/**
 * Wraps `fetch`: requests to the session's origins carry its token; they are held while it is refreshed, and
 * sent again where it was refused. All others pass through untouched, as does a request that has an
 * `Authorization` field of its own.
 *
 * What a request rejects with beyond fetch's own errors are the errors of `@freshtoken/core`.
 *
 * @throws TypeError where nothing says which origins may see the token
 * @example
 * import { createSession } from "@freshtoken/core";
 * import { sessionFetch } from "@freshtoken/fetch";
 *
 * const authorized = sessionFetch(session, { origins: ["https://api.example.com"] });
 * const answer = await authorized("https://api.example.com/me");
 */
export function sessionFetch(session: Session, options: SessionFetchOptions = {}): typeof fetch {
  const connection = session.connect({ origins: options.origins });
  return async (input, init) => {
    const bare = options.fetch ?? globalThis.fetch;
    const call = callOf(input, init);
    return isOurs(call, connection) ? connection.send(exchangeOf(call, bare)) : bare(input, init);
  };
}

/** One call of fetch: what was asked for, wherever it was said. */
interface Call {
  readonly input: RequestInfo | URL;
  readonly init: RequestInit;
  readonly request: Request | undefined;
  readonly url: string;
  readonly headers: Headers;
  readonly signal: AbortSignal | null | undefined;
}

function callOf(input: RequestInfo | URL, init: RequestInit = {}): Call {
  const request = tagOf(input) === "Request" ? (input as Request) : undefined;
  const url = request ? request.url : String(input);
  const headers = new Headers(init.headers ?? request?.headers);
  const signal = init.signal === undefined ? request?.signal : init.signal;
  return { input, init, request, url, headers, signal };
}

function isOurs({ url, headers, signal }: Call, connection: Connection): boolean {
  return !headers.has("authorization") && !connection.owns(signal) && connection.covers(url);
}

function exchangeOf(
  { input, init, request, url, headers, signal }: Call,
  bare: typeof fetch,
): Exchange<Response> {
  const body = snapshot(init.body);
  const kept = body == null ? { ...init } : { ...init, body };
  // A Request with a body is used up when it is sent, so a clone is kept for a replay.
  let unsent = request?.body && body == null ? request : undefined;

  return {
    url,
    method: (init.method ?? request?.method ?? "GET").toUpperCase(),
    signal,
    replayable: isReplayable(body),
    send(fields) {
      const sent = unsent ?? input;
      unsent = unsent?.clone();
      return bare(sent, { ...kept, headers: withFields(headers, fields) });
    },
    answer: (response) => ({
      status: response.status,
      url: response.url,
      field: (name) => response.headers.get(name),
      response,
    }),
    release: released,
  };
}

function withFields(headers: Headers, fields: Readonly<Record<string, string>>): Headers {
  const authorized = new Headers(headers);
  for (const [name, value] of Object.entries(fields)) authorized.set(name, value);
  return authorized;
}
