import { createSession, type TokenResponse } from "@freshtoken/core";
import { browserKey, type DPoPKey, dpop } from "../src/dpop/index.ts";
import { ClientSecretBasic, createOAuth, type OAuth, type OAuthOptions } from "../src/index.ts";

declare const oauth: OAuth;
declare const callbackUrl: string;

export const options: OAuthOptions = { issuer: "https://login.example.com", clientId: "spa" };
export const sessions = [
  createSession({ ...oauth.session() }),
  createSession({ ...oauth.session({ scope: "read" }), restore: true }),
  createSession({ ...oauth.clientCredentials() }),
];

export async function signIn(): Promise<TokenResponse> {
  const { pending } = await oauth.authorizationUrl();
  const stored: typeof pending = JSON.parse(JSON.stringify(pending));
  return (await oauth.exchange(new URL(callbackUrl), stored)).tokens;
}

createOAuth({ ...options, clientAuthentication: ClientSecretBasic("secret") });

declare const pair: CryptoKeyPair;
declare const keep: DPoPKey;
for (const key of [browserKey("spa"), pair, keep]) createOAuth({ ...options, dpop: dpop({ key }) });

// @ts-expect-error — a key that signs has two halves
dpop({ key: pair.privateKey });

// @ts-expect-error — a key is bound with what dpop() makes of it
createOAuth({ ...options, dpop: pair });

// @ts-expect-error — an issuer is needed
createOAuth({ clientId: "spa" });

// @ts-expect-error — an alias is used, or it is not
createOAuth({ ...options, client: { use_mtls_endpoint_aliases: "yes" } });

// @ts-expect-error — an endpoint is a URL as text
createOAuth({ ...options, server: { token_endpoint: new URL("https://login.example.com/token") } });

// @ts-expect-error — a secret by itself does not say how it is sent
createOAuth({ ...options, clientAuthentication: "secret" });

// @ts-expect-error — nothing is exchanged without what was pending
oauth.exchange(callbackUrl);
