import { createSession, type Session, type SessionOptions } from "@freshtoken/core";
import * as oauth from "oauth4webapi";

export interface SessionWiring extends Omit<SessionOptions, "refresh"> {
  readonly issuer: string;
  readonly clientId: string;
  /** What oauth4webapi is told besides; a server on loopback needs `allowInsecureRequests`. */
  readonly http?: oauth.DiscoveryRequestOptions & oauth.TokenEndpointRequestOptions;
}

/** Joins an authorization server and a session: copy from here, then the file of each client that you use. */
export async function connectSession({
  issuer,
  clientId,
  http,
  ...options
}: SessionWiring): Promise<Session> {
  const url = new URL(issuer);
  const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, http));
  const client = { client_id: clientId };

  return createSession({
    ...options,
    refresh: ({ refreshToken, signal }) =>
      oauth.refreshTokenGrantRequest(server, client, oauth.None(), refreshToken, { ...http, signal }),
  });
}
