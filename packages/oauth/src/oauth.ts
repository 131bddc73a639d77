import type { Scheme, SessionOptions, TokenSet } from "@freshtoken/core";
import { clientCredentialsGrantRequest, refreshTokenGrantRequest, revocationRequest } from "oauth4webapi";
import {
  type AuthorizationOptions,
  type Authorized,
  authorizationUrl,
  exchange,
  type PendingAuthorization,
} from "./authorization.ts";
import { createDiscovery } from "./discovery.ts";
import { endpointOf } from "./endpoint.ts";
import { OAuthError } from "./errors.ts";
import { type OAuthOptions, settingsOf } from "./options.ts";

/** How a session gets new tokens, and what becomes of the last ones. */
export interface Grant {
  readonly refresh: SessionOptions["refresh"];
  /**
   * Does nothing where the server has no revocation endpoint.
   * @see https://www.rfc-editor.org/rfc/rfc7009
   */
  revoke(tokens: TokenSet): Promise<void>;
  isRejection(error: unknown): boolean | undefined;
  /** Absent: tokens are sent as Bearer tokens. */
  readonly scheme?: Scheme | undefined;
}

/** One application at one authorization server. */
export interface OAuth {
  /**
   * What a session needs: `createSession({ ...oauth.session() })`. A `scope` narrows what a refresh asks for. Without a
   * refresh token the session ends when its access token is refused or has expired.
   * @see https://www.rfc-editor.org/rfc/rfc6749#section-6
   */
  session(options?: { readonly scope?: string | undefined }): Grant;
  /**
   * The same for a service, which signs in as itself and has no refresh token: it asks again. Its session begins
   * by asking, as soon as it is created.
   * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4
   */
  clientCredentials(): Grant & { readonly restore: true };
  /**
   * Begins a sign-in. Keep `pending`, and send the browser to `url`.
   * Rejects with an {@link OAuthError}: `ERR_RETURN_TO_REFUSED`, or what discovery says; with a TypeError for a
   * `max_age` that is no whole number of seconds.
   */
  authorizationUrl(options?: AuthorizationOptions): Promise<{ url: string; pending: PendingAuthorization }>;
  /**
   * Ends a sign-in with the address that the browser came back to. A code is good for one exchange, which calls made
   * together share: take it out of the address then. Rejects with an {@link OAuthError}.
   */
  exchange(callbackUrl: string | URL, pending: PendingAuthorization): Promise<Authorized>;
}

/**
 * Connects an application to its authorization server. Asks nothing yet: the server's metadata is looked up when it
 * is first needed.
 * @throws TypeError that names an option and what arrived
 * @example
 * ```ts
 * import { createSession } from "@freshtoken/core";
 * import { createOAuth } from "@freshtoken/oauth";
 *
 * const oauth = createOAuth({
 *   issuer: "https://login.example.com",
 *   clientId: "spa",
 *   redirectUri: "https://app.example.com/callback",
 *   scope: "openid offline_access",
 * });
 * const session = createSession({ ...oauth.session() });
 * ```
 */
export function createOAuth(options: OAuthOptions): OAuth {
  const settings = settingsOf(options);
  const { client, clientAuthentication, resource, http, dpop, prove } = settings;
  const discovered = createDiscovery(settings);
  const exchanges: Record<string, Promise<Authorized>> = {};
  const parameters = (scope: string | undefined) => (scope ? [["scope", scope], ...resource] : resource);

  async function revoke({ refreshToken, accessToken }: TokenSet): Promise<void> {
    const token = refreshToken ?? accessToken;
    if (!token) return;
    const server = await discovered();
    if (!server.revocation_endpoint) return;
    endpointOf(server, "revocation");
    const response = await revocationRequest(server, client, clientAuthentication, token, http);
    await response.body?.cancel();
  }

  return {
    session: ({ scope } = {}) => ({
      async refresh({ refreshToken, tokens, signal }) {
        // Signed in without one: only the user can help. A token that is merely ageing, as in its last minute, is good
        // until it expires.
        const left = (tokens.expiresAt ?? 0) - Date.now();
        if (!refreshToken) return left > 0 && left < 60_000 ? tokens : null;
        const server = await discovered();
        return prove((proof) =>
          refreshTokenGrantRequest(server, client, clientAuthentication, refreshToken, {
            ...http,
            ...proof,
            signal,
            additionalParameters: parameters(scope),
          }),
        );
      },
      revoke,
      isRejection: (error) => (error instanceof OAuthError ? false : undefined),
      ...dpop?.session,
    }),
    clientCredentials: () => ({
      async refresh({ signal }) {
        const server = await discovered();
        return prove(
          (proof) =>
            clientCredentialsGrantRequest(server, client, clientAuthentication, parameters(settings.scope), {
              ...http,
              ...proof,
              signal,
            }),
          server,
        );
      },
      revoke,
      ...dpop?.session,
      // There is nobody to sign in again.
      isRejection: () => false,
      restore: true,
    }),
    authorizationUrl: async (options) => authorizationUrl(settings, await discovered(), options),
    async exchange(callbackUrl, pending) {
      // A code that comes twice ends what it brought, and frameworks run effects twice.
      const key = JSON.stringify([callbackUrl, pending]);
      exchanges[key] ??= discovered()
        .then((server) => exchange(settings, server, callbackUrl, pending))
        .finally(() => delete exchanges[key]);
      return exchanges[key];
    },
  };
}
