import { type Exchange, receive } from "./endpoints.ts";
import { createFamilies, type Grace } from "./families.ts";
import {
  altered,
  createFaults,
  type Endpoint,
  type Fault,
  type Hold,
  type Script,
  standIn,
} from "./faults.ts";
import { createGate, type Gate } from "./gate.ts";
import { createLog, type Entry, type RequestEntry } from "./log.ts";
import { readableTokens, type TokenNames, type TokenResponse } from "./tokens.ts";
import { aborted, connectionReset, passed, timeout, until, type Wait } from "./wait.ts";

export interface ServerOptions {
  /** Where relative URLs given to `fetch` lead. @default "https://server.test" */
  readonly origin?: string;
  /** How long access tokens live, in seconds, as `expires_in`. Absent: nobody says, and they live until `expire`. */
  readonly expiresIn?: number;
  /** Whether a refresh replaces the refresh token. @default true */
  readonly rotate?: boolean;
  /** When a rotated refresh token may be presented again without being reuse. @default none */
  readonly grace?: Grace;
  /** Whether a rotation also ends the family's earlier access tokens. @default false */
  readonly revokeOnRotate?: boolean;
  /** Names the tokens. @default readableTokens */
  readonly tokens?: TokenNames;
  /** Milliseconds since the epoch. @default Date.now */
  now?(): number;
  /** Waits so many milliseconds, for faults that wait that way. @default setTimeout */
  sleep?(milliseconds: number, signal: AbortSignal): PromiseLike<unknown>;
}

export interface SignInOptions {
  /** Seconds. @default the server's `expiresIn` */
  readonly expiresIn?: number;
  /** Whether the sign-in comes with a refresh token. @default true */
  readonly refreshToken?: boolean;
}

export interface Server {
  readonly origin: string;
  /**
   * Answers a request: `POST /token` refreshes, `POST /revoke` revokes, every other path is the resource server. It is a
   * `typeof fetch`, bound, and judges a request before it returns unless told to wait; redirects are not followed.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Starts a family: the token response that an authorization code would have given. */
  signIn(options?: SignInOptions): TokenResponse;
  /** Refuses every access token issued so far, or one, from now on. */
  expire(accessToken?: string): void;
  /** Ends every family, or one, as an administrator or a new password does: its refresh is an `invalid_grant`. */
  withdraw(family?: number): void;
  /** Scripts what befalls the next requests to an endpoint, one after the other. */
  next(endpoint: Endpoint, ...scripts: readonly Script[]): void;
  /** Scripts what befalls every request to an endpoint that `next` says nothing about. The latest wins. Returns its undo. */
  always(endpoint: Endpoint, script: Script): () => void;
  /** Holds every request to an endpoint, before the server acts on it or before it is answered, until the gate opens. */
  gate(endpoint: Endpoint, hold?: Hold): Gate;
  /** Everything that happened, in the order it arrived. It grows; its entries are replaced, never changed. */
  readonly log: readonly Entry[];
  /** Resolves as soon as the log is as the test wants it. */
  when(holds: (log: readonly Entry[]) => boolean): Promise<void>;
}

/**
 * Makes an authorization server and a resource server in memory. Refresh tokens rotate, and one that is seen twice revokes
 * its whole family: a needless second refresh ends the session, so waste and error are one assertion.
 *
 * Nothing happens on its own: access tokens expire when the test says so, and faults come in the order they were scripted.
 *
 * @example
 * ```ts
 * import { createServer, ledger } from "@freshtoken/testing";
 *
 * const server = createServer();
 * await session.signIn(server.signIn());
 * server.expire();
 * await Promise.all(Array.from({ length: 100 }, () => authorized(`${server.origin}/me`)));
 *
 * const { refreshes, reuses } = ledger(server.log);   // 1, 0
 * ```
 */
export function createServer(options: ServerOptions = {}): Server {
  const { origin = "https://server.test", rotate = true, grace, revokeOnRotate = false } = options;
  const { tokens = readableTokens, now = Date.now, sleep = timeout } = options;
  const log = createLog();
  const faults = createFaults();
  const families = createFamilies({ tokens, rotate, grace, revokeOnRotate, now });

  async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const signal = signalOf(input, init);
    signal.throwIfAborted();
    // The caller's signal is kept out of the Request, which would listen to it for longer than the request is pending.
    const request = new Request(input instanceof Request ? input : new URL(input, origin), {
      ...init,
      signal: null,
    });
    const exchange = receive(request, log, families);
    try {
      const response = await perform(exchange, faults.take(exchange.line.read()), signal);
      exchange.line.end(response.status);
      return Object.defineProperty(response, "url", { value: request.url, configurable: true });
    } catch (error) {
      exchange.line.end(signal.aborted ? "aborted" : "reset");
      throw error;
    }
  }

  // Nothing is awaited that need not be: a request that nothing holds is judged before fetch returns.
  async function perform(
    { line, ready, act }: Exchange,
    fault: Fault,
    signal: AbortSignal,
  ): Promise<Response> {
    if (ready) await until(ready, signal);
    for (const wait of waits(line.read(), "request", fault.actAfter)) await passed(wait, sleep, signal);
    if (fault.hang === "before") await aborted(signal);
    if (fault.reset === "before") throw connectionReset();
    const instead = standIn(fault);
    const own = instead && !fault.acts ? undefined : await until(act(), signal);
    for (const wait of waits(line.read(), "answer", fault.answerAfter)) await passed(wait, sleep, signal);
    if (fault.hang === "after") await aborted(signal);
    if (fault.reset === "after") throw connectionReset();
    return altered((instead ?? own) as Response, fault);
  }

  function waits(request: RequestEntry, hold: Hold, wait: Wait | undefined): Wait[] {
    return [...faults.gates(request, hold), ...(wait === undefined ? [] : [wait])];
  }

  function signIn({ expiresIn = options.expiresIn, refreshToken = true }: SignInOptions = {}): TokenResponse {
    const { family, issued, response } = families.signIn(expiresIn, refreshToken);
    log.note({ at: "signIn", family, issued });
    return response;
  }

  function gate(endpoint: Endpoint, hold: Hold = "request"): Gate {
    const closed = createGate();
    faults.hold(endpoint, hold, closed);
    return closed;
  }

  return {
    origin,
    fetch,
    signIn,
    expire: (accessToken) => log.note({ at: "expire", tokens: families.expire(accessToken) }),
    withdraw: (family) => log.note({ at: "withdraw", families: families.withdraw(family) }),
    next: faults.next,
    always: faults.always,
    gate,
    log: log.entries,
    when: log.when,
  };
}

/** The signal that fetch would obey: the caller's, else the Request's; null is none. */
function signalOf(input: string | URL | Request, init: RequestInit | undefined): AbortSignal {
  const own = init?.signal ?? (input instanceof Request && init?.signal !== null ? input.signal : undefined);
  return own ?? new AbortController().signal;
}
