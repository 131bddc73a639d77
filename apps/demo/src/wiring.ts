import { createSession, type Session } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import * as oauth from "oauth4webapi";

export interface Wiring {
  readonly issuer: string;
  readonly clientId: string;
  /** The origin that may see the token. */
  readonly api: string;
  /** What the sign-in gave. */
  readonly tokens: oauth.TokenEndpointResponse;
  /** The fetch underneath. @default the global one */
  readonly fetch?: typeof fetch;
  /** What oauth4webapi is told besides; a server on loopback needs `allowInsecureRequests`. */
  readonly http?: oauth.DiscoveryRequestOptions & oauth.TokenEndpointRequestOptions;
}

/** Joins an authorization server, a session and a fetch: copy from here. */
export async function connect({ issuer, clientId, api, tokens, fetch, http }: Wiring): Promise<{
  readonly session: Session;
  readonly fetch: typeof globalThis.fetch;
}> {
  const url = new URL(issuer);
  const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, http));
  const client = { client_id: clientId };

  const session = createSession({
    tokens,
    refresh: ({ refreshToken, signal }) =>
      oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, { ...http, signal }),
  });
  return { session, fetch: sessionFetch(session, { origins: [api], fetch }) };
}
