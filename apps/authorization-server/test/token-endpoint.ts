import { type AuthorizationServer, signIn } from "../src/index.ts";

/** What a test reads of an answer of the token endpoint. */
export interface TokenAnswer {
  readonly status: number;
  readonly access_token: string;
  readonly refresh_token: string;
  readonly error?: string;
}

/** Presents a refresh token. */
export async function refresh(server: AuthorizationServer, refreshToken: string): Promise<TokenAnswer> {
  const response = await post(`${server.issuer}/token`, {
    grant_type: "refresh_token",
    client_id: server.clientId,
    refresh_token: refreshToken,
  });
  return { status: response.status, ...((await response.json()) as Omit<TokenAnswer, "status">) };
}

/** Revokes a token, as RFC 7009 has it. */
export async function revoke(server: AuthorizationServer, token: string): Promise<number> {
  const response = await post(`${server.issuer}/token/revocation`, { client_id: server.clientId, token });
  await response.text();
  return response.status;
}

/** Signs in and answers with the two tokens. */
export async function signedIn(
  server: AuthorizationServer,
  account: string,
): Promise<{ a0: string; r0: string }> {
  const tokens = await signIn(server, { account });
  return { a0: tokens.access_token, r0: tokens.refresh_token ?? "" };
}

/** Sends a request to the API with an access token. */
export function call(
  server: AuthorizationServer,
  path: string,
  accessToken: string,
  init: RequestInit = {},
): Promise<Response> {
  return fetch(server.api + path, {
    ...init,
    headers: { ...init.headers, authorization: `Bearer ${accessToken}` },
  });
}

function post(url: string, parameters: Record<string, string>): Promise<Response> {
  return fetch(url, { method: "POST", body: new URLSearchParams(parameters) });
}
