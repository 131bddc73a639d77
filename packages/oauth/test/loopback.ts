import {
  type AuthorizationServer,
  type AuthorizationServerOptions,
  follow,
  startAuthorizationServer,
} from "@freshtoken/authorization-server";
import { onTestFinished } from "vitest";
import {
  type AuthorizationOptions,
  createOAuth,
  type OAuth,
  type OAuthOptions,
  type PendingAuthorization,
} from "../src/index.ts";

/** An application at a real authorization server on loopback. */
export async function real(
  options: Partial<OAuthOptions> = {},
  serverOptions: AuthorizationServerOptions = {},
): Promise<{ server: AuthorizationServer; oauth: OAuth }> {
  const server = await startAuthorizationServer({ accessTokenLifetime: 60, ...serverOptions });
  onTestFinished(() => server.close());
  const { issuer, clientId, redirectUri } = server;
  return { server, oauth: createOAuth({ issuer, clientId, redirectUri, scope: "openid", ...options }) };
}

/** What a browser does for alice between `authorizationUrl` and `exchange`. */
export async function visit(
  oauth: OAuth,
  { redirectUri }: Pick<AuthorizationServer, "redirectUri">,
  options: AuthorizationOptions = {},
): Promise<{ callback: URL; pending: PendingAuthorization }> {
  const parameters = { login_hint: "alice", ...options.parameters };
  const { url, pending } = await oauth.authorizationUrl({ ...options, parameters });
  return { callback: await follow(new URL(url), redirectUri), pending };
}

/** The whole way of alice's sign-in. */
export async function signedIn(oauth: OAuth, server: Pick<AuthorizationServer, "redirectUri">) {
  const { callback, pending } = await visit(oauth, server);
  return (await oauth.exchange(callback, pending)).tokens;
}
