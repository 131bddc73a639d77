import type { TokenResponse } from "@freshtoken/core";
import {
  type AuthorizationServer,
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  generateRandomCodeVerifier,
  generateRandomNonce,
  generateRandomState,
  processAuthorizationCodeResponse,
  validateAuthResponse,
} from "oauth4webapi";
import { endpointOf } from "./endpoint.ts";
import { OAuthError } from "./errors.ts";
import type { Settings } from "./options.ts";
import { returnPath } from "./return-to.ts";

export interface AuthorizationOptions {
  /** Where the user was: a path of this application, to go on from after the sign-in. @default "/" */
  readonly returnTo?: string | undefined;
  /**
   * What else to send: `login_hint`, `prompt`, `ui_locales`, another `scope` than usual, or a `stepUpChallenge`. With
   * `max_age` and an ID token, `exchange` checks that the user has signed in as recently as that.
   */
  readonly parameters?: Readonly<{ [name in string]?: string }> | undefined;
}

/**
 * A sign-in that has begun, as plain data. Keep it where the callback finds it and others do not: in
 * `sessionStorage`, or on a server beside the user's own session.
 */
export interface PendingAuthorization {
  readonly issuer: string;
  readonly state: string;
  readonly codeVerifier: string;
  /** Absent where no ID token is asked for. */
  readonly nonce?: string;
  /** In seconds. Absent: the sign-in may be of any age. */
  readonly maxAge?: number;
  readonly redirectUri: string;
  readonly returnTo: string;
}

/** The end of a sign-in. */
export interface Authorized {
  /** For `session.signIn()`. */
  readonly tokens: TokenResponse;
  /** A path of this application. */
  readonly returnTo: string;
}

/** Begins a sign-in with an authorization code and PKCE. */
export async function authorizationUrl(
  { client, redirectUri, resource, scope: usual, dpop }: Settings,
  server: AuthorizationServer,
  { returnTo = "/", parameters = {} }: AuthorizationOptions = {},
): Promise<{ url: string; pending: PendingAuthorization }> {
  if (!redirectUri) throw new TypeError("`redirectUri` is needed to sign in: give it to createOAuth");
  const { scope = usual, max_age } = parameters;
  const nonce = scope?.split(" ").includes("openid") && { nonce: generateRandomNonce() };
  const pending: PendingAuthorization = {
    issuer: server.issuer,
    state: generateRandomState(),
    codeVerifier: generateRandomCodeVerifier(),
    ...nonce,
    ...(max_age && { maxAge: Number(max_age) }),
    redirectUri,
    returnTo: returnPath(returnTo),
  };
  const query = {
    ...parameters,
    ...(scope && { scope }),
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirectUri,
    state: pending.state,
    ...nonce,
    code_challenge: await calculatePKCECodeChallenge(pending.codeVerifier),
    code_challenge_method: "S256",
    ...(await dpop?.begin(server)),
  };
  const url = endpointOf(server, "authorization");
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  for (const [name, uri] of resource) url.searchParams.append(name, uri);
  return { url: url.href, pending };
}

/** Ends a sign-in: checks what came back, and exchanges the code for tokens. */
export async function exchange(
  settings: Settings,
  server: AuthorizationServer,
  callbackUrl: string | URL,
  pending: PendingAuthorization,
): Promise<Authorized> {
  const callback = validated(settings, server, callbackUrl, pending);
  const returnTo = returnPath(pending.returnTo);
  const response = await settings.prove((proof) =>
    authorizationCodeGrantRequest(
      server,
      settings.client,
      settings.clientAuthentication,
      callback,
      pending.redirectUri,
      pending.codeVerifier,
      { ...settings.http, ...proof, additionalParameters: settings.resource },
    ).catch((cause) => {
      throw requestFailed({ cause });
    }),
  );
  if (!response.ok) throw await refusal(response);
  return { tokens: await tokensIn(settings, server, response, pending), returnTo };
}

function validated(
  { client }: Settings,
  server: AuthorizationServer,
  callbackUrl: string | URL,
  pending: PendingAuthorization,
): URLSearchParams {
  const parameters = new URLSearchParams(/\?([^#]*)/.exec(String(callbackUrl))?.[1]);
  try {
    // Storage may have lost it, and a second issuer its own.
    if (!pending?.state || pending.issuer !== server.issuer)
      throw new TypeError("no sign-in is pending here");
    const callback = validateAuthResponse(server, client, parameters, pending.state);
    if (callback.getAll("code").length !== 1) throw new TypeError("it has to bring one code");
    return callback;
  } catch (cause) {
    // Only an answer that is an error itself has one.
    const { error } = Object(cause);
    if (error) {
      throw new OAuthError("ERR_AUTHORIZATION_REFUSED", `The sign-in was refused: ${error}. Tell the user`, {
        error,
      });
    }
    throw new OAuthError(
      "ERR_CALLBACK_INVALID",
      "This does not answer the pending sign-in; its cause says why. Begin a new sign-in",
      { cause },
    );
  }
}

// Read here: oauth4webapi has another error for a 401 with a challenge, and another for a 5xx.
async function refusal(response: Response): Promise<OAuthError> {
  const { error } = Object(await response.json().catch(() => undefined));
  return requestFailed({ status: response.status, ...(typeof error === "string" && { error }) });
}

function requestFailed(evidence: { cause?: unknown; status?: number; error?: string }): OAuthError {
  const answer = evidence.error ?? evidence.status ?? "nothing";
  return new OAuthError(
    "ERR_TOKEN_REQUEST_FAILED",
    `The code was not exchanged: the token endpoint answered ${answer}. Begin a new sign-in`,
    evidence,
  );
}

async function tokensIn(
  { client, dpop }: Settings,
  server: AuthorizationServer,
  response: Response,
  { nonce, maxAge }: PendingAuthorization,
): Promise<TokenResponse> {
  try {
    // Nonce and age are claims of an ID token, and where none is asked for, none is to be expected.
    // An age that is undefined counts as none there, whatever the types say.
    const expected = { ...dpop?.response, ...(nonce && { expectedNonce: nonce, maxAge: maxAge as number }) };
    return await processAuthorizationCodeResponse(server, client, response, expected);
  } catch (cause) {
    throw new OAuthError(
      "ERR_TOKEN_RESPONSE_INVALID",
      "The token response is not usable; its cause says why. Begin a new sign-in",
      { cause },
    );
  }
}
