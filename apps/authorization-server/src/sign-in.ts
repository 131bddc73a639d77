import * as oauth from "oauth4webapi";

/** Where to sign in, and as which client. */
export interface SignInServer {
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri: string;
}

export interface SignInOptions {
  /** The account to sign in, sent as `login_hint`. */
  readonly account: string;
  /** @default "openid" */
  readonly scope?: string;
  /** The cookies of the browser that signs in, by name; written too. @default a new browser, without any */
  readonly cookies?: Map<string, string>;
}

const http = { [oauth.allowInsecureRequests]: true }; // a loopback server speaks http

/**
 * Signs in by authorization code with PKCE, as a browser would, and answers with the token response.
 *
 * Made of oauth4webapi and nothing of ours: what this server tests cannot be what it is tested with.
 *
 * @see RFC 6749 §4.1, RFC 7636
 */
export async function signIn(
  server: SignInServer,
  { account, scope = "openid", cookies = new Map() }: SignInOptions,
): Promise<oauth.TokenEndpointResponse> {
  const authorizationServer = await discover(server.issuer);
  const client: oauth.Client = { client_id: server.clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();

  const request = new URL(authorizationServer.authorization_endpoint ?? server.issuer);
  request.search = new URLSearchParams({
    client_id: server.clientId,
    redirect_uri: server.redirectUri,
    response_type: "code",
    scope,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    login_hint: account,
  }).toString();
  const callback = await follow(request, server.redirectUri, cookies);

  const parameters = oauth.validateAuthResponse(authorizationServer, client, callback, state);
  const response = await oauth.authorizationCodeGrantRequest(
    authorizationServer,
    client,
    oauth.None(),
    parameters,
    server.redirectUri,
    verifier,
    http,
  );
  return oauth.processAuthorizationCodeResponse(authorizationServer, client, response);
}

async function discover(issuer: string): Promise<oauth.AuthorizationServer> {
  const identifier = new URL(issuer);
  const response = await oauth.discoveryRequest(identifier, http);
  return oauth.processDiscoveryResponse(identifier, response);
}

/**
 * Does what a browser does between the authorization endpoint and the client: follows redirects and keeps cookies.
 * Answers with the address that it came back to.
 */
export async function follow(
  start: URL,
  redirectUri: string,
  cookies: Map<string, string> = new Map(),
): Promise<URL> {
  let url = start;
  while (!url.href.startsWith(`${redirectUri}?`)) {
    const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    await response.body?.cancel();
    keepCookies(response, cookies);
    url = new URL(redirectOf(response), url);
  }
  return url;
}

function redirectOf(response: Response): string {
  const location = response.headers.get("location");
  if (location !== null) return location;
  throw new Error(`The sign-in ended at ${new URL(response.url).pathname} with status ${response.status}.`);
}

// Paths and expiry do not matter to one sign-in; a cookie set to nothing is one taken back.
function keepCookies(response: Response, cookies: Map<string, string>): void {
  for (const field of response.headers.getSetCookie()) {
    const [name = "", value = ""] = (field.split(";", 1)[0] ?? "").split("=", 2);
    if (value === "") cookies.delete(name);
    else cookies.set(name, value);
  }
}
