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
  readonly fetch: typeof fetch;
}

/** Joins an authorization server, a session and a fetch: copy from here. */
export async function connect({ issuer, clientId, api, tokens, fetch }: Wiring): Promise<{
  readonly session: Session;
  readonly fetch: typeof fetch;
}> {
  // Leave both out at home: the global fetch will do, and only a loopback server speaks http.
  const http = {
    [oauth.customFetch]: (url: string, init: object) => fetch(url, init),
    [oauth.allowInsecureRequests]: true,
  };
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
