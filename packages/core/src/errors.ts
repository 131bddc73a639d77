/** What a request is called in an error: its method, and its URL without query, fragment or credentials. */
export interface RequestLine {
  readonly method: string;
  readonly url: string;
}

export type FreshtokenErrorCode =
  | "ERR_REFRESH_REJECTED"
  | "ERR_REFRESH_FAILED"
  | "ERR_SIGNED_OUT"
  | "ERR_NOT_REPLAYABLE"
  | "ERR_QUEUE_FULL";

interface Evidence {
  readonly cause?: unknown;
  readonly retryAt?: number | undefined;
  readonly request?: RequestLine | undefined;
}

/** What all errors of a session have in common: a stable `code`, and a message that says what to do next. */
export abstract class FreshtokenError extends Error {
  abstract readonly code: FreshtokenErrorCode;
  /** The request that this caller made; absent where the caller asked the session itself. */
  declare readonly request?: RequestLine;

  constructor(message: string, { cause, request }: Evidence = {}) {
    super(request ? `${request.method} ${request.url}: ${message}` : message, cause ? { cause } : undefined);
    if (request) this.request = request;
  }
}

/** The authorization server refused the refresh token for good: the session has ended, and the user has to sign in again. */
export class RefreshRejectedError extends FreshtokenError {
  override readonly name = "RefreshRejectedError";
  readonly code = "ERR_REFRESH_REJECTED";
}

/** A refresh did not finish: the network, a time-out, a server in trouble. The session is kept. */
export class RefreshFailedError extends FreshtokenError {
  override readonly name = "RefreshFailedError";
  readonly code = "ERR_REFRESH_FAILED";
  /**
   * From when on the next request that needs it sets off another refresh, in ms since the epoch. Until then
   * requests with a stale token fail at once.
   */
  readonly retryAt: number;

  constructor(message: string, evidence: Evidence & { readonly retryAt: number }) {
    super(message, evidence);
    this.retryAt = evidence.retryAt;
  }
}

/** The session was signed out, signed in anew or closed before the request was answered; or nobody is signed in. */
export class SignedOutError extends FreshtokenError {
  override readonly name = "SignedOutError";
  readonly code = "ERR_SIGNED_OUT";
}

/** The request was refused, and its body, a stream, cannot be sent a second time. */
export class NotReplayableError extends FreshtokenError {
  override readonly name = "NotReplayableError";
  readonly code = "ERR_NOT_REPLAYABLE";
}

/** As many requests are held as `maxHeld` allows. */
export class QueueFullError extends FreshtokenError {
  override readonly name = "QueueFullError";
  readonly code = "ERR_QUEUE_FULL";
}

/** Returns the same error for one request: its own instance, which names the request. */
export function errorFor<E>(error: E, request: RequestLine): E {
  if (!(error instanceof FreshtokenError) || error.request) return error;
  // All of them are constructed alike.
  const Kind = error.constructor as new (message: string, evidence: Evidence) => E & FreshtokenError;
  const { retryAt } = error as Partial<RefreshFailedError>;
  return new Kind(error.message, { cause: error.cause, retryAt, request });
}

export function refreshFailedError(
  what: string,
  retryAt: number,
  cause: Error | undefined,
): RefreshFailedError {
  return new RefreshFailedError(
    `The access token could not be refreshed: ${what}. The session is kept; try again after ${time(retryAt)}`,
    { cause, retryAt },
  );
}

export function refreshRejectedError(what: string, cause: Error | undefined): RefreshRejectedError {
  return new RefreshRejectedError(
    `The session has ended: ${what}. Let the user sign in again, then call session.signIn()`,
    { cause },
  );
}

export function signedOutError(): SignedOutError {
  return new SignedOutError(
    "The session it was made under has ended: signed out, or signed in anew. Make it again, if it still applies",
  );
}

export function closedError(): SignedOutError {
  return new SignedOutError("The session was closed. Make requests through a session that is open");
}

export function nobodyError(): SignedOutError {
  return new SignedOutError("Nobody is signed in. Call session.signIn() first");
}

export function notReplayableError(): NotReplayableError {
  return new NotReplayableError(
    "The token was refused, and the body, a stream, cannot be sent twice. The token is refreshed for the next call: make it with a new body",
  );
}

export function queueFullError(limit: number): QueueFullError {
  return new QueueFullError(
    `${limit} requests are held already, as many as \`maxHeld\` allows. Try again when the refresh has ended`,
  );
}

function time(at: number): string {
  return Number.isFinite(new Date(at).getTime()) ? new Date(at).toISOString() : "a while";
}
