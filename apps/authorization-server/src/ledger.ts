import type Provider from "oidc-provider";
import type { Context, RefreshToken } from "oidc-provider";

/**
 * What became of the refresh tokens, written from the provider's own events as they happen.
 *
 * Tokens and families go by running numbers, from 1 in the order of their first appearance: no token is in here.
 */
export interface Ledger {
  /** Every presentation of a refresh token at the token endpoint, in the order the provider decided them. */
  readonly presentations: readonly Presentation[];
  /** Every family that was revoked, with the reason. */
  readonly revocations: readonly Revocation[];
}

export interface Presentation {
  readonly token: number;
  /** Absent for a token that this server never issued. */
  readonly family?: number;
  readonly account?: string;
  /** Whether this token had been presented before, however that ended. */
  readonly again: boolean;
  /**
   * `rotated`: redeemed, and a new one issued. `reused`: redeemed earlier, so the family was revoked.
   * `invalid`: refused for another reason, a revoked family among them.
   */
  readonly outcome: "rotated" | "reused" | "invalid";
}

export interface Revocation {
  readonly family: number;
  /** `reuse`: a refresh token or a code came twice. `request`: the client asked for it (RFC 7009). */
  readonly because: "reuse" | "request";
}

interface Refusal {
  readonly error?: string;
  readonly error_detail?: string;
}

interface Issued {
  readonly number: number;
  readonly owner?: { readonly family: number; readonly account: string };
  presented: boolean;
}

/** Opens the ledger of a provider that has not answered a request yet. */
export function keepLedger(provider: Provider): Ledger {
  const presentations: Presentation[] = [];
  const revocations: Revocation[] = [];
  const tokens = new Map<string, Issued>();
  const families = new Map<string, number>();

  function familyOf(grantId: string): number {
    const family = families.get(grantId) ?? families.size + 1;
    families.set(grantId, family);
    return family;
  }

  function add(token: string, owner?: Issued["owner"]): Issued {
    const issued: Issued = { number: tokens.size + 1, ...(owner && { owner }), presented: false };
    tokens.set(token, issued);
    return issued;
  }

  function issue(token: RefreshToken): void {
    add(token.jti, { family: familyOf(token.grantId), account: token.accountId });
  }

  function present(token: string, outcome: Presentation["outcome"]): void {
    const issued = tokens.get(token) ?? add(token);
    presentations.push({ token: issued.number, ...issued.owner, again: issued.presented, outcome });
    issued.presented = true;
  }

  function refuse({ oidc }: Context, { error, error_detail }: Refusal): void {
    const token = oidc.params?.refresh_token;
    // What was consumed is in the ledger already, as rotated, even where the answer failed later.
    if (token === undefined || oidc.entities.RotatedRefreshToken !== undefined) return;
    // The provider reads the proof first, and does not come to the token where that is refused (RFC 9449 §8).
    if (error === "use_dpop_nonce" || error === "invalid_dpop_proof") return;
    present(token, error_detail === "refresh token already used" ? "reused" : "invalid");
  }

  provider.on("refresh_token.saved", issue);
  provider.on("refresh_token.consumed", (token) => present(token.jti, "rotated"));
  provider.on("grant.error", refuse);
  provider.on("server_error", refuse);
  provider.on("grant.revoked", ({ oidc }, grantId) => {
    revocations.push({ family: familyOf(grantId), because: oidc.route === "token" ? "reuse" : "request" });
  });

  return { presentations, revocations };
}
