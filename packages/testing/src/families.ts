import type { Issued, TokenOutcome } from "./log.ts";
import type { TokenNames, TokenResponse } from "./tokens.ts";

/** How a rotated refresh token may be presented again: within so many milliseconds, so many times, or both. */
export interface Grace {
  /** Milliseconds by the server's clock. */
  readonly within?: number;
  readonly uses?: number;
}

interface Rules {
  readonly tokens: TokenNames;
  readonly rotate: boolean;
  readonly grace: Grace | undefined;
  readonly revokeOnRotate: boolean;
  now(): number;
}

/** All tokens that came from one sign-in. */
interface Family {
  readonly id: number;
  readonly expiresIn: number | undefined;
  generation: number;
  revoked: boolean;
}

interface AccessToken {
  readonly family: Family;
  readonly generation: number;
  readonly expiresAt: number;
  refused: boolean;
}

interface RefreshToken {
  readonly family: Family;
  /** When it was rotated away. Undefined while it is in use. */
  rotatedAt: number | undefined;
  reuses: number;
}

/** What became of a presented refresh token. */
interface Redemption {
  readonly outcome: TokenOutcome;
  readonly family?: number;
  readonly issued?: Issued;
  readonly response?: TokenResponse;
}

/** What the authorization server remembers. Every function takes effect at once: no two requests overlap in it. */
export interface Families {
  signIn(expiresIn: number | undefined, refreshToken: boolean): Required<Redemption>;
  redeem(refreshToken: string): Redemption;
  /** Which family and generation an access token has, if it was ever issued. */
  trace(accessToken: string | undefined): { family: number; generation: number } | undefined;
  accepts(accessToken: string | undefined): boolean;
  expire(accessToken?: string): string[];
  withdraw(family?: number): number[];
  /** @see RFC 7009 §2.1 */
  revoke(token: string): number | undefined;
}

export function createFamilies(rules: Rules): Families {
  const families: Family[] = [];
  const accessTokens = new Map<string, AccessToken>();
  const refreshTokens = new Map<string, RefreshToken>();

  function issue(family: Family, outcome: TokenOutcome, withRefreshToken: boolean): Required<Redemption> {
    const generation = family.generation++;
    const { expiresIn } = family;
    const access = rules.tokens("access", family.id, generation);
    const expiresAt = expiresIn === undefined ? Number.POSITIVE_INFINITY : rules.now() + expiresIn * 1000;
    accessTokens.set(access, { family, generation, expiresAt, refused: false });
    const response: TokenResponse = { access_token: access, token_type: "Bearer" };
    if (expiresIn !== undefined) response.expires_in = expiresIn;
    if (!withRefreshToken) return { outcome, family: family.id, issued: { access }, response };
    const refresh = rules.tokens("refresh", family.id, generation);
    refreshTokens.set(refresh, { family, rotatedAt: undefined, reuses: 0 });
    response.refresh_token = refresh;
    return { outcome, family: family.id, issued: { access, refresh }, response };
  }

  function signIn(expiresIn: number | undefined, refreshToken: boolean): Required<Redemption> {
    const family: Family = { id: families.length + 1, expiresIn, generation: 0, revoked: false };
    families.push(family);
    return issue(family, "rotated", refreshToken);
  }

  function redeem(presented: string): Redemption {
    const token = refreshTokens.get(presented);
    if (!token) return { outcome: "unknown" };
    const { family } = token;
    if (token.rotatedAt !== undefined) return redeemAgain(token);
    if (family.revoked) return { outcome: "revoked", family: family.id };
    if (!rules.rotate) return issue(family, "renewed", false);
    token.rotatedAt = rules.now();
    if (rules.revokeOnRotate) refuse((access) => access.family === family);
    return issue(family, "rotated", true);
  }

  function redeemAgain(token: RefreshToken): Redemption {
    if (isInGrace(token)) {
      token.reuses += 1;
      return issue(token.family, "graced", true);
    }
    token.family.revoked = true;
    return { outcome: "reused", family: token.family.id };
  }

  function isInGrace({ family, rotatedAt = 0, reuses }: RefreshToken): boolean {
    if (!rules.grace || family.revoked) return false;
    const { within = Number.POSITIVE_INFINITY, uses = Number.POSITIVE_INFINITY } = rules.grace;
    return rules.now() - rotatedAt < within && reuses < uses;
  }

  function trace(accessToken: string | undefined): { family: number; generation: number } | undefined {
    const token = accessTokens.get(accessToken ?? "");
    return token && { family: token.family.id, generation: token.generation };
  }

  function accepts(accessToken: string | undefined): boolean {
    const token = accessTokens.get(accessToken ?? "");
    return token !== undefined && isCurrent(token);
  }

  function isCurrent({ refused, family, expiresAt }: AccessToken): boolean {
    return !refused && !family.revoked && rules.now() < expiresAt;
  }

  function refuse(concerns: (token: AccessToken, name: string) => boolean): string[] {
    const refused = [...accessTokens].filter(([name, token]) => isCurrent(token) && concerns(token, name));
    for (const [, token] of refused) token.refused = true;
    return refused.map(([name]) => name);
  }

  function withdraw(id?: number): number[] {
    const withdrawn = families.filter((family) => !family.revoked && (id === undefined || family.id === id));
    for (const family of withdrawn) family.revoked = true;
    return withdrawn.map((family) => family.id);
  }

  function revoke(name: string): number | undefined {
    const refresh = refreshTokens.get(name);
    if (refresh) withdraw(refresh.family.id);
    else refuse((_, access) => access === name);
    return refresh?.family.id ?? trace(name)?.family;
  }

  return {
    signIn,
    redeem,
    trace,
    accepts,
    expire: (accessToken) => refuse((_, name) => accessToken === undefined || name === accessToken),
    withdraw,
    revoke,
  };
}
