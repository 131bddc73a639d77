import type { Binding } from "../binding.ts";
import { type Complaint, type Proof, type Proofs, shownNonce } from "./proofs.ts";

/**
 * Makes a token request with a proof, and once more with a better one for each complaint that the server has. It has
 * read nothing but the proof by then: a refresh token is not used up.
 * @see https://www.rfc-editor.org/rfc/rfc9449#section-8
 */
export async function tokenRequest(
  send: Parameters<Binding["prove"]>[0],
  proofs: Proofs,
  pair: CryptoKeyPair,
): Promise<Response> {
  const answered = new Set<Complaint>();
  let nonce: string | undefined;
  for (;;) {
    const made: Proof[] = [];
    const response = await send({ DPoP: proofs.signer(pair, nonce, (proof) => made.push(proof)) });
    const complaint = await complaintIn(response);
    const heard = { status: response.status, field: (name: string) => response.headers.get(name) };
    const isBetter = made.some((proof) => proofs.isBetterNow(proof, heard, complaint));
    if (!isBetter || !complaint || answered.has(complaint)) return response;
    answered.add(complaint);
    nonce = shownNonce(heard);
  }
}

async function complaintIn(response: Response): Promise<Complaint | undefined> {
  if (response.status !== 400 && response.status !== 401) return undefined;
  const body: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  const { error } = Object(body);
  return error === "use_dpop_nonce" || error === "invalid_dpop_proof" ? error : undefined;
}
