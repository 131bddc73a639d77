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
 * const session = createSession({ refresh: ({ signal }) => fetch("/token", { method: "POST", signal }) });
 * const authorized = sessionFetch(session, { origins: ["https://api.example.com"] });
 * const answer = await authorized("https://api.example.com/me");
 */
export function sessionFetch(session: Session, options: SessionFetchOptions = {}): typeof fetch {
  const connection = session.connect({ origins: options.origins });
  return (input, init) => sendThrough(connection, options.fetch ?? globalThis.fetch, input, init);
}

/**
 * Sends one call of fetch through a connection: for clients that are built on fetch.
 *
 * `family` is the stamp of a request that was made earlier: see `Connection.family`.
 */
export async function sendThrough(
  connection: Connection,
  bare: typeof fetch,
  input: RequestInfo | URL,
  init?: RequestInit,
  family?: string,
): Promise<Response> {
  const call = callOf(input, init);
  if (!isOurs(call, connection)) return bare(input, init);
  const exchange = exchangeOf(call, bare);
  return connection.send({ ...exchange, family }).finally(exchange.end);
}

/** One call of fetch: what was asked for, wherever it was said. */
interface Call {
  readonly init: RequestInit | null | undefined;
  readonly request: Request | undefined;
  readonly url: string;
  readonly headers: Headers;
  readonly signal: AbortSignal | null | undefined;
}

function callOf(input: RequestInfo | URL, init: RequestInit | null | undefined): Call {
  const request = tagOf(input) === "Request" ? (input as Request) : undefined;
  const url = request ? request.url : String(input);
  const headers = new Headers(init?.headers ?? request?.headers);
  const signal = init?.signal === undefined ? request?.signal : init.signal;
  return { init, request, url, headers, signal };
}

function isOurs({ url, headers, signal }: Call, connection: Connection): boolean {
  return !headers.has("authorization") && !connection.owns(signal) && connection.covers(url);
}

// The methods that fetch takes in any case (https://fetch.spec.whatwg.org/#concept-method-normalize).
const STANDARD = /^(?:delete|get|head|options|post|put)$/i;

/** One call on its way. */
interface Sending extends Exchange<Response> {
  /** Gives up what was kept for a replay: only then a stream hears that nobody reads it any more. */
  end(): void;
}

function exchangeOf({ init, request, url, headers, signal }: Call, bare: typeof fetch): Sending {
  const kept = membersOf(init);
  const { method = request?.method ?? "GET" } = kept;
  const body = snapshot(kept.body);
  if (body != null) kept.body = body;
  // A Request with a body is used up when it is sent, so a clone is kept for a replay.
  let unsent = request?.body && body == null ? request : undefined;

  return {
    url,
    method: STANDARD.test(method) ? method.toUpperCase() : method,
    signal,
    replayable: isReplayable(body),
    send(fields) {
      const sent = unsent ?? request ?? url;
      unsent = unsent?.clone();
      return bare(sent, { ...referrerOf(request), ...kept, headers: withFields(headers, fields) });
    },
    answer: (response) => ({
      status: response.status,
      url: response.url,
      field: (name) => response.headers.get(name),
      response,
    }),
    release: released,
    end() {
      if (unsent !== request) void unsent?.body?.cancel().catch(() => {});
    },
  };
}

// A Request may serve as init, as in `fetch(url, request)`. Its members are inherited: a spread would lose them.
function membersOf(init: RequestInit | null | undefined): RequestInit {
  const members: Record<string, unknown> = {};
  for (const name in init) members[name] = init[name as keyof RequestInit];
  return members;
}

// A Request that is sent with an init forgets where it came from, unless that says so too.
function referrerOf(request: Request | undefined): RequestInit | undefined {
  return request && { referrer: request.referrer, referrerPolicy: request.referrerPolicy };
}

function withFields(headers: Headers, fields: Readonly<Record<string, string>>): Headers {
  const authorized = new Headers(headers);
  for (const [name, value] of Object.entries(fields)) authorized.set(name, value);
  return authorized;
}
