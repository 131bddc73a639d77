import { kindOf } from "./kind.ts";

/** The tokens of one generation of a session. */
export interface TokenSet {
  /** Absent only under a scheme that sends none, such as `cookie()`. */
  readonly accessToken?: string | undefined;
  /** Absent where the server gave none, or keeps it in a cookie. */
  readonly refreshToken?: string | undefined;
  /** How the access token is used (RFC 6749 §7.1). Absent: `"Bearer"`. */
  readonly tokenType?: string | undefined;
  /** When the access token expires, in ms since the epoch. Absent: unknown, so it is never refreshed preemptively. */
  readonly expiresAt?: number | undefined;
  /** When it was issued, in ms since the epoch; with `expiresAt` this tells its lifetime. */
  readonly issuedAt?: number | undefined;
  readonly scope?: string | undefined;
  readonly idToken?: string | undefined;
  /** What else the server sent. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A successful token response, as it comes off the wire. `expires_in` is in seconds.
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-5.1
 */
export interface TokenResponse {
  access_token: string;
  token_type?: string;
  expires_in?: number;
  refresh_token?: string;
  scope?: string;
  id_token?: string;
  [extra: string]: unknown;
}

/** How long before its expiry a token is stale, and how long before that it is ageing; both in ms. */
export interface Margins {
  readonly leeway: number;
  readonly refreshAhead: number | false;
}

/** What a scheme needs of a token set. */
export interface TokenNeeds {
  readonly sendsToken: boolean;
  readonly tokenType?: string;
}

export type Freshness = "fresh" | "ageing" | "stale";

// RFC 6749 appendix A.12 and A.17: VSCHAR. What is outside it, platforms refuse, quoting the token.
const LEGAL = /^ *[\x21-\x7e][\x20-\x7e]*$/;
// Ten years, in seconds: a lifetime beyond it is a mistake or means "never".
const ABSURD = 315_360_000;

/** Tells whether a token may be sent. */
export function freshness(tokens: TokenSet, now: number, { leeway, refreshAhead }: Margins): Freshness {
  if (tokens.expiresAt === undefined) return "fresh";
  const left = tokens.expiresAt - now;
  const lifetime = tokens.expiresAt - (tokens.issuedAt ?? Number.NEGATIVE_INFINITY);
  if (left < Math.min(leeway, lifetime / 20)) return "stale";
  return refreshAhead !== false && left < Math.min(refreshAhead, lifetime / 4) ? "ageing" : "fresh";
}

/**
 * Reads a token set, or a token response received for a request made at `requestedAt`.
 * @throws TypeError that says what is wrong with it, and quotes nothing of it
 */
export function readTokens(value: unknown, needs: TokenNeeds, requestedAt: number): TokenSet {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`a token set or a token response is an object, not ${kindOf(value)}`);
  }
  const given = value as Record<string, unknown>;
  const tokens = "access_token" in given ? fromWire(given, requestedAt) : fromSet(given, requestedAt);
  if (needs.sendsToken && tokens.accessToken === undefined)
    throw new TypeError("the access token is missing");
  const { tokenType } = needs;
  const { tokenType: type = "Bearer" } = tokens;
  if (tokenType && type.toLowerCase() !== tokenType.toLowerCase()) {
    throw new TypeError(`the token type is not ${tokenType}`);
  }
  return tokens;
}

/** Completes what the authorization server answered to a refresh: what it leaves out stays as it was (RFC 6749 §6). */
export function renewedTokens(
  answered: TokenSet,
  previous: TokenSet,
  now: number,
  margins: Margins,
): TokenSet {
  const tokens = {
    ...answered,
    refreshToken: answered.refreshToken ?? previous.refreshToken,
    scope: answered.scope ?? previous.scope,
    idToken: answered.idToken ?? previous.idToken,
    extra: answered.extra ?? previous.extra,
  };
  // A clock that is wrong, or a server that answers an old token, must not set off the next refresh.
  const arrived = freshness(tokens, now, margins);
  if (arrived === "stale") return tokenSet({ ...tokens, expiresAt: undefined, issuedAt: undefined });
  return tokenSet(arrived === "ageing" ? { ...tokens, issuedAt: now } : tokens);
}

/** Finds the refresh token in an answer that is otherwise of no use. */
export function rotatedToken(value: unknown): string | undefined {
  const { refresh_token, refreshToken = refresh_token } = Object(value);
  return typeof refreshToken === "string" && LEGAL.test(refreshToken) ? refreshToken : undefined;
}

function fromWire(response: Record<string, unknown>, requestedAt: number): TokenSet {
  const { access_token, token_type, expires_in, refresh_token, scope, id_token, ...extra } = response;
  const seconds = typeof expires_in === "string" && /^\d+$/.test(expires_in) ? +expires_in : expires_in;
  // Of what a store holds nobody knows when it was asked for.
  const isDated = Number.isFinite(requestedAt);
  const known = isDated && typeof seconds === "number" && seconds > 0 && seconds <= ABSURD;
  return tokenSet({
    accessToken: token(access_token, "access"),
    refreshToken: token(refresh_token, "refresh"),
    tokenType: text(token_type),
    expiresAt: known ? requestedAt + seconds * 1000 : undefined,
    issuedAt: known ? requestedAt : undefined,
    scope: text(scope),
    idToken: text(id_token),
    extra: Object.keys(extra).length ? Object.freeze(extra) : undefined,
  });
}

function fromSet(set: TokenSet | Record<string, unknown>, requestedAt: number): TokenSet {
  const expiresAt = time(set.expiresAt, "expiresAt");
  const issuedAt = time(set.issuedAt, "issuedAt");
  const { extra } = set;
  return tokenSet({
    accessToken: token(set.accessToken, "access"),
    refreshToken: token(set.refreshToken, "refresh"),
    tokenType: text(set.tokenType),
    expiresAt,
    issuedAt: issuedAt ?? (Number(expiresAt) > requestedAt ? requestedAt : undefined),
    scope: text(set.scope),
    idToken: text(set.idToken),
    extra: typeof extra === "object" && extra ? Object.freeze({ ...extra }) : undefined,
  });
}

function tokenSet(fields: TokenSet): TokenSet {
  return Object.freeze(
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as TokenSet,
  );
}

function token(value: unknown, which: string): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw new TypeError(`the ${which} token is ${kindOf(value)}, not a string`);
  if (!LEGAL.test(value))
    throw new TypeError(`the ${which} token has characters that RFC 6749 does not allow`);
  return value;
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function time(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new TypeError(`${name} is ${kindOf(value)}, not a time in ms since the epoch`);
}
