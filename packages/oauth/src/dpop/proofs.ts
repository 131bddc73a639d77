import type { SchemeRequest } from "@freshtoken/core";
import {
  allowInsecureRequests,
  customFetch,
  DPoP,
  type DPoPHandle,
  modifyAssertion,
  protectedResourceRequest,
} from "oauth4webapi";
import { OAuthError } from "../errors.ts";
import { createServers, type Terms } from "./servers.ts";

/** What is known of a proof that was made. */
export interface Proof {
  readonly origin: string;
  readonly algorithm: string;
  readonly terms: Terms;
}

/** What a server can have against a proof, and another proof can better. */
export type Complaint = "use_dpop_nonce" | "invalid_dpop_proof";

/** Makes proofs, and hears what servers say of them. */
export interface Proofs {
  /**
   * Signs the token requests that are made with it. `made` hears of each proof. `nonce` is the one that the last
   * answer to this very request showed: it may be good for one proof only. Absent: the newest of any answer.
   */
  signer(pair: CryptoKeyPair, nonce: string | undefined, made: (proof: Proof) => void): DPoPHandle;
  /** Signs a request to a resource server in the same way: the fields to send, and the proof in them. */
  sign(
    pair: CryptoKeyPair,
    nonce: string | undefined,
    request: SchemeRequest,
    accessToken: string,
  ): Promise<Signed>;
  /**
   * Hears the answer to a proof: adopts its nonce, and the server's clock where it refuses the proof. True: another
   * proof would be a better one.
   * @throws OAuthError where a nonce is asked for, and none is shown
   */
  isBetterNow(proof: Proof, answer: Heard, complaint: Complaint | undefined): boolean;
}

// In s. A clock that is further off is not put right by a proof.
const DAY = 86_400;

interface Signed {
  readonly fields: Record<string, string>;
  readonly proof: Proof;
}

/** As much of an answer as is heard. */
export interface Heard {
  readonly status: number;
  field(name: string): string | null;
}

export function createProofs(): Proofs {
  const servers = createServers();

  function signer(
    pair: CryptoKeyPair,
    nonce: string | undefined,
    made: (proof: Proof) => void,
    method = "POST",
  ): DPoPHandle {
    return DPoP({}, pair, {
      [modifyAssertion](header, payload) {
        const { origin } = new URL(String(payload.htu));
        const known = servers.of(origin);
        const terms = { ...known, nonce: nonce ?? known.nonce };
        // oauth4webapi shows any method in capitals.
        payload.htm = method;
        Object.assign(payload, { nonce: terms.nonce, iat: Number(payload.iat) + terms.ahead });
        made({ origin, algorithm: String(header.alg), terms });
      },
    });
  }

  // oauth4webapi shows a proof only to the fetch that is to send it, which sends nothing here.
  function sign(
    pair: CryptoKeyPair,
    nonce: string | undefined,
    { url, method }: SchemeRequest,
    accessToken: string,
  ): Promise<Signed> {
    // Where clients resolve a relative URL: a page may say so in a `<base>`, a worker has none.
    const target = new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href);
    return new Promise((resolve, reject) => {
      let proof: Proof;
      const made = (one: Proof) => {
        proof = one;
      };
      protectedResourceRequest(accessToken, method, target, undefined, undefined, {
        DPoP: signer(pair, nonce, made, method),
        // The session has judged by now who may see its token.
        [allowInsecureRequests]: true,
        async [customFetch](_url, { headers: { authorization = "", dpop = "" } }) {
          resolve({ fields: { authorization, dpop }, proof });
          return new Response();
        },
      }).catch(reject);
    });
  }

  function isBetterNow({ origin, terms }: Proof, answer: Heard, complaint: Complaint | undefined): boolean {
    const known = servers.of(origin);
    const shown = shownNonce(answer);
    const nonce = shown ?? known.nonce;
    const ahead = (complaint === "invalid_dpop_proof" ? corrected(terms, answer) : undefined) ?? known.ahead;
    if (nonce !== known.nonce || ahead !== known.ahead) servers.adopt(origin, { nonce, ahead });
    if (complaint === "use_dpop_nonce" && nonce === terms.nonce && !shown) {
      throw nonceUnreadable(origin, answer.status);
    }
    const isLate = complaint === "invalid_dpop_proof" && ahead !== terms.ahead;
    return complaint !== undefined && (nonce !== terms.nonce || isLate);
  }

  return { signer, sign, isBetterNow };
}

/** Finds the nonce that an answer shows. An empty one is none. */
export function shownNonce(answer: Heard): string | undefined {
  return answer.field("dpop-nonce") || undefined;
}

// To the second, as the field has it and `iat` wants it. A proxy may have written the field: where a corrected proof
// is refused too, the correction was none.
function corrected({ ahead }: Terms, answer: Heard): number | undefined {
  if (ahead) return 0;
  const at = Date.parse(answer.field("date") ?? "");
  const offset = Math.floor(at / 1_000) - Math.floor(Date.now() / 1_000);
  return Math.abs(offset) <= DAY ? offset : undefined;
}

function nonceUnreadable(origin: string, status: number): OAuthError {
  return new OAuthError(
    "ERR_DPOP_NONCE_UNREADABLE",
    `${origin} asks for a nonce and shows none. Let it send DPoP-Nonce, and to pages of another origin Access-Control-Expose-Headers: DPoP-Nonce, WWW-Authenticate`,
    { status },
  );
}
