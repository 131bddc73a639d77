import type { Connection, Session, SessionOptions } from "@freshtoken/core";
import { sendThrough } from "@freshtoken/fetch";
import type { BeforeRequestHook, BeforeRetryHook, Hooks, InitHook, Options } from "ky";

export interface SessionHooksOptions {
  /** Which origins may see the token. @default those of the session, else the one of ky's `prefix` or `baseUrl` */
  origins?: SessionOptions["origins"];
}

/**
 * Returns hooks for ky 2: requests to the session's origins carry its token; they are held while it is
 * refreshed, and sent again where it was refused. One request opts out with `context: { session: false }`.
 *
 * The hold lies in `beforeRequest` and `beforeRetry`, outside ky's `timeout`. A replay lies below ky, in its
 * `fetch`: it costs no retry, no delay, and no second run of your hooks.
 *
 * Without `origins` a client's first request says who may see the token, and throws a TypeError where it has
 * neither `prefix` nor `baseUrl`.
 *
 * @example
 * import ky from "ky";
 * import { sessionHooks } from "@freshtoken/ky";
 *
 * const client = ky.create({ prefix: "https://api.example.com", hooks: sessionHooks(session) });
 */
export function sessionHooks(session: Session, { origins }: SessionHooksOptions = {}): Hooks {
  // Kept from the first request on: one that brings a base of its own takes the token nowhere else.
  let connection = origins === undefined ? undefined : session.connect({ origins });

  const init: InitHook = (options) => {
    const { session: wanted } = options.context ?? {};
    if (wanted === false) return;
    connection ??= session.connect({ base: baseOf(options) });
    const link = links.get(options) ?? install(options);
    // A Request cannot show the signal it was made with: only here it is still the caller's own.
    link.connection = connection.owns(options.signal) ? undefined : connection;
    link.family = connection.family();
  };

  return { init: [init] };
}

/** What one call of ky is sent through. Without a connection it passes through untouched. */
interface Link {
  connection?: Connection | undefined;
  /** The stamp of the call, kept through ky's own retries. */
  family?: string | undefined;
}

// By the options of one call, which all its init hooks share: of hooks that an `extend` adds to others, the last win.
const links = new WeakMap<Options, Link>();

function install(options: Options): Link {
  const link: Link = {};
  const bare = options.fetch;
  const hold: BeforeRequestHook & BeforeRetryHook = async ({ request, retryCount }) => {
    const { connection } = link;
    if (request.headers.has("authorization") || !connection?.covers(request.url)) return;
    // A timeout aborts the Request's own signal; the retry gets another from ky only when it is sent.
    const signal = retryCount > 0 && request.signal.aborted ? options.signal : request.signal;
    const stamp = await connection.hold(signal, request);
    link.family ??= stamp ?? connection.family();
  };

  options.fetch = (input, rest) => send(link, bare ?? globalThis.fetch, input, rest);
  options.hooks = {
    ...options.hooks,
    beforeRequest: [...(options.hooks?.beforeRequest ?? []), hold],
    beforeRetry: [...(options.hooks?.beforeRetry ?? []), hold],
  };
  links.set(options, link);
  return link;
}

function send(
  { connection, family }: Link,
  bare: typeof fetch,
  ...[input, rest]: Parameters<typeof fetch>
): Promise<Response> {
  if (!connection) return bare(input, rest);
  // A fetch that was written for ky may read its first argument only: the token belongs into the Request.
  const asKyCalls: typeof fetch = (sent, init) => bare(init === rest ? sent : new Request(sent, init), rest);
  return sendThrough(connection, asKyCalls, input, rest, family);
}

// As ky joins them: `prefix` stands before the path, `baseUrl` before what is relative then.
function baseOf({ prefix = "", baseUrl }: Options): string | URL | undefined {
  return URL.canParse(String(prefix), baseUrl) ? new URL(prefix, baseUrl) : prefix || baseUrl;
}
