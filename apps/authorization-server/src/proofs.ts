import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { calculateJwkThumbprint, decodeJwt, EmbeddedJWK, type JWTPayload, jwtVerify } from "jose";
import type { Nonces } from "./nonces.ts";

/** A DPoP proof that came with a request, whether it was believed or not. */
export interface SeenProof {
  readonly at: "token" | "api";
  readonly jti: string;
  /** A digest of the access token that it is for; absent at the token endpoint. */
  readonly ath?: string;
  /** The status of the answer. */
  readonly status: number;
}

/** Notes the proof that came with a request. */
export type NoteProof = (at: SeenProof["at"], proof: string, status: number) => void;

/** Opens the list of the proofs that a server has seen. */
export function keepProofs(): { readonly proofs: readonly SeenProof[]; readonly note: NoteProof } {
  const proofs: SeenProof[] = [];

  function note(at: SeenProof["at"], proof: string, status: number): void {
    const { jti = "", ath } = claimsIn(proof);
    proofs.push({ at, jti, ...(ath !== undefined && { ath }), status });
  }

  return { proofs, note };
}

function claimsIn(proof: string): { readonly jti?: string; readonly ath?: string } {
  try {
    return decodeJwt(proof);
  } catch {
    return {};
  }
}

/** What a proof that was believed says of its key; or what is wrong with it, as RFC 9449 §7.1 and §9 call it. */
type Judged = { readonly jkt: string } | { readonly error: "invalid_dpop_proof" | "use_dpop_nonce" };

/** Judges the proof of a request that has an access token. */
export type JudgeProof = (request: IncomingMessage, accessToken: string) => Promise<Judged>;

// Seconds, in both directions.
const WINDOW = 60;

/**
 * Creates a judge of proofs, with a memory of those it has seen.
 *
 * @see RFC 9449 §4.3
 */
export function createProofJudge(nonces: Nonces | undefined): JudgeProof {
  const seen = new Set<string>();

  return async (request, accessToken) => {
    const verified = await verify(request).catch(() => undefined);
    if (!verified) return { error: "invalid_dpop_proof" };
    const { payload, jkt } = verified;
    if (nonces && !nonces.accepts(payload.nonce)) return { error: "use_dpop_nonce" };
    // A nonce says when the proof was made, and does not depend on the client's clock.
    const isRecent = nonces || Math.abs(Date.now() / 1_000 - (payload.iat ?? 0)) <= WINDOW;
    if (!isRecent || !isFor(payload, request, accessToken) || seen.has(payload.jti ?? "")) {
      return { error: "invalid_dpop_proof" };
    }
    seen.add(payload.jti ?? "");
    return { jkt };
  };
}

async function verify({ headers }: IncomingMessage): Promise<{ payload: JWTPayload; jkt: string }> {
  const { payload, protectedHeader } = await jwtVerify(String(headers.dpop), EmbeddedJWK, {
    typ: "dpop+jwt",
    algorithms: ["ES256", "Ed25519"],
    requiredClaims: ["jti", "htm", "htu", "iat", "ath"],
  });
  return { payload, jkt: await calculateJwkThumbprint(protectedHeader.jwk ?? {}) };
}

function isFor(
  { htm, htu, ath }: JWTPayload,
  { method, url = "/", headers }: IncomingMessage,
  accessToken: string,
): boolean {
  const { origin, pathname } = new URL(url, `http://${headers.host}`);
  const digest = createHash("sha256").update(accessToken).digest("base64url");
  return htm === method && htu === origin + pathname && ath === digest;
}
