import { type AuthorizationServer, DPoP } from "oauth4webapi";
import type { Binding } from "../binding.ts";
import { OAuthError } from "../errors.ts";
import { type DPoPKey, isKey, keptKey, keyLost, SIGNING_PAIR } from "./key.ts";
import { createProofs, type Proofs } from "./proofs.ts";
import { dpopScheme } from "./scheme.ts";
import { tokenRequest } from "./token-request.ts";

export interface DPoPOptions {
  /** The key: `browserKey("app")` in a browser; elsewhere a key pair, or what keeps one. */
  key: CryptoKeyPair | DPoPKey;
}

/**
 * Binds the tokens of a sign-in to a key: whoever steals them cannot use them without it. For the option `dpop` of
 * `createOAuth`, whose sessions then bring the scheme too.
 *
 * A key is made only when a sign-in begins, or a service asks for a token. Where it is lost, what needs it rejects with an {@link OAuthError}:
 * `ERR_DPOP_KEY_LOST`; nothing is ever sent as a Bearer token instead.
 * @throws TypeError that names the option
 * @see https://www.rfc-editor.org/rfc/rfc9449
 */
export function dpop(options: DPoPOptions): Binding {
  const { key } = Object(options) as Partial<DPoPOptions>;
  if (!key || !isKey(key)) {
    throw new TypeError(`\`key\` is ${SIGNING_PAIR}, or has load() and create(); not ${typeof key}`);
  }
  const { load, create } = keptKey(key);
  // An authorization server and an API at one origin may each have nonces of their own.
  const proofs = { token: createProofs(), api: createProofs() };

  async function held(): Promise<CryptoKeyPair> {
    const pair = await load();
    if (!pair) throw keyLost();
    return pair;
  }

  async function begun(server: AuthorizationServer): Promise<CryptoKeyPair> {
    const pair = await create();
    await checkAlgorithm(server, proofs.token, pair);
    return pair;
  }

  return {
    async begin(server) {
      return { dpop_jkt: await DPoP({}, await begun(server)).calculateThumbprint() };
    },
    prove: async (send, begins) => tokenRequest(send, proofs.token, await (begins ? begun(begins) : held())),
    session: {
      scheme: dpopScheme(proofs.api, held),
      // Without its key a public client's refresh token is worth nothing, to nobody: only the user can help.
      isRejection: (error) => (error instanceof OAuthError ? error.code === "ERR_DPOP_KEY_LOST" : undefined),
    },
  };
}

// Which algorithm a key signs with, oauth4webapi says in a proof.
async function checkAlgorithm(
  server: AuthorizationServer,
  proofs: Proofs,
  pair: CryptoKeyPair,
): Promise<void> {
  const { issuer, dpop_signing_alg_values_supported: supported } = server;
  if (!supported) return;
  const { proof } = await proofs.sign(pair, undefined, { url: issuer, method: "POST" }, "none");
  if (supported.includes(proof.algorithm)) return;
  throw new OAuthError(
    "ERR_DPOP_UNSUPPORTED",
    `${issuer} takes no proofs that are signed with ${proof.algorithm}. Bring a key for one of its own: ${supported}`,
  );
}
