import { randomBytes } from "node:crypto";

/** The public client that people sign in with: no secret, code + PKCE, refresh tokens that rotate. */
export const clientId = "freshtoken";

/** Nobody listens there: whoever follows the redirects stops at it and reads the code. */
export const redirectUri = "http://127.0.0.1/callback";

/** The client that the API is when it asks the provider about a token. */
export interface ConfidentialClient {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** Makes up the API's client, with a secret that lives as long as the server. */
export function createApiClient(): ConfidentialClient {
  return { clientId: "freshtoken-api", clientSecret: randomBytes(32).toString("base64url") };
}

/** The two clients as the provider is told about them. */
export function clientMetadata(api: ConfidentialClient): readonly Record<string, unknown>[] {
  return [
    {
      client_id: clientId,
      application_type: "native", // any loopback port may stand in the redirect URI (RFC 8252 §7.3)
      token_endpoint_auth_method: "none",
      id_token_signed_response_alg: "ES256",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: [redirectUri],
    },
    {
      client_id: api.clientId,
      client_secret: api.clientSecret,
      token_endpoint_auth_method: "client_secret_basic",
      id_token_signed_response_alg: "ES256",
      grant_types: [],
      response_types: [],
      redirect_uris: [],
    },
  ];
}
