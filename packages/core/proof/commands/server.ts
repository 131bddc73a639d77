import type { TokenResponse } from "../../src/index.ts";

/** What one grant issued: "1.r0", with the access token "1.a0" or, where the server hands the same one out again, an older one. */
interface Grant {
  readonly family: number;
  readonly refreshToken: string;
  readonly response: TokenResponse;
}

/** An authorization server whose refresh tokens rotate, and a resource server that believes it. */
export interface Server {
  signIn(lifetime: number | undefined): Grant;
  /** Null: refused for good. `again`: with the access token of before. */
  redeem(refreshToken: string, again?: boolean): Grant | null;
  accepts(accessToken: string | undefined): boolean;
  /** Refuses every access token issued so far. */
  expire(): void;
  withdraw(family: number): void;
  /** How often a refresh token was presented that had been redeemed before. */
  readonly reuses: number;
}

interface Family {
  readonly id: number;
  readonly lifetime: number | undefined;
  readonly redeemed: Set<string>;
  issued: number;
  revoked: boolean;
  accessToken: string;
}

export function createServer(grace: boolean): Server {
  const families: Family[] = [];
  const accepted = new Set<string>();
  let reuses = 0;

  function issue(family: Family, again: boolean): Grant {
    const { id, lifetime } = family;
    const serial = family.issued++;
    if (!again) family.accessToken = `${id}.a${serial}`;
    accepted.add(family.accessToken);
    const refreshToken = `${id}.r${serial}`;
    const wire = { access_token: family.accessToken, refresh_token: refreshToken, token_type: "Bearer" };
    return {
      family: id,
      refreshToken,
      response: lifetime === undefined ? wire : { ...wire, expires_in: lifetime },
    };
  }

  return {
    signIn(lifetime) {
      const id = families.length + 1;
      const family = {
        id,
        lifetime,
        redeemed: new Set<string>(),
        issued: 0,
        revoked: false,
        accessToken: "",
      };
      families.push(family);
      return issue(family, false);
    },
    redeem(refreshToken, again = false) {
      const family = families[Number.parseInt(refreshToken, 10) - 1];
      if (!family) return null;
      const isReused = family.redeemed.has(refreshToken);
      if (isReused) reuses++;
      if (isReused && !grace) family.revoked = true;
      if (family.revoked) return null;
      family.redeemed.add(refreshToken);
      return issue(family, again);
    },
    accepts: (accessToken) => accessToken !== undefined && accepted.has(accessToken),
    expire: () => accepted.clear(),
    withdraw(id) {
      const family = families[id - 1];
      if (family) family.revoked = true;
    },
    get reuses() {
      return reuses;
    },
  };
}

/** Which sign-in a token came from, and as which of its token sets. */
export function parse(refreshToken: string): { family: number; serial: number } {
  const [family, serial] = refreshToken.split(".r").map(Number);
  return { family: family ?? 0, serial: serial ?? 0 };
}
