import type { Answer, Scheme, SchemeRequest } from "@freshtoken/core";
import { parse } from "../address.ts";
import { type Complaint, type Proof, type Proofs, shownNonce } from "./proofs.ts";

/** What was sent of one request so far. */
interface Sent {
  readonly proof: Proof;
  /** What the last answer to it showed. */
  readonly nonce?: string | undefined;
  /** A second replay for a proof would take the send that a refresh needs. */
  readonly isReplayed: boolean;
}

// Quoted values before it are stepped over, whatever they say.
const COMPLAINT =
  /^(?:[^"]|"(?:\\.|[^"\\])*")*?[\s,]error\s*=\s*"?(?<complaint>use_dpop_nonce|invalid_dpop_proof)\b/i;

/** Makes the scheme that shows a proof with each access token, a new one for every attempt. */
export function dpopScheme(proofs: Proofs, key: () => Promise<CryptoKeyPair>): Scheme {
  const requests = new WeakMap<SchemeRequest, Sent>();

  return {
    sendsToken: true,
    tokenType: "DPoP",
    async fields({ accessToken = "" }, request) {
      const { nonce, isReplayed = false } = requests.get(request) ?? {};
      const { fields, proof } = await proofs.sign(await key(), nonce, request, accessToken);
      requests.set(request, { proof, isReplayed });
      return fields;
    },
    answered(answer, request) {
      const sent = requests.get(request);
      if (!sent || isFromElsewhere(answer, sent.proof)) return;
      const isBetter = proofs.isBetterNow(sent.proof, answer, complaintIn(answer, sent.proof));
      const isReplay = isBetter && !sent.isReplayed;
      requests.set(request, {
        ...sent,
        nonce: shownNonce(answer),
        isReplayed: isReplay || sent.isReplayed,
      });
      if (isReplay) return "replay";
    },
  };
}

// After a redirect: neither its nonce nor its complaint is about our proof.
function isFromElsewhere({ url }: Answer, { origin }: Proof): boolean {
  return parse(url ?? "", origin)?.origin !== origin;
}

function complaintIn(answer: Answer, { terms }: Proof): Complaint | undefined {
  if (answer.status !== 401) return undefined;
  const challenge = answer.field("www-authenticate");
  if (challenge) return COMPLAINT.exec(challenge)?.groups?.complaint?.toLowerCase() as Complaint | undefined;
  // CORS may hide the challenge and show the nonce.
  return shownNonce(answer) && !terms.nonce ? "use_dpop_nonce" : undefined;
}
