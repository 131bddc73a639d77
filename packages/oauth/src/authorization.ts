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
import { parse } from "./address.ts";
import { endpointOf } from "./endpoint.ts";
import { type Evidence, errorCodeIn, OAuthError } from "./errors.ts";
import { isAge } from "./max-age.ts";
import type { Settings } from "./options.ts";
import { HERE, returnPath } from "./return-to.ts";

export interface AuthorizationOptions {
  /** Where the user was: a path of this application, to go on from after the sign-in. @default "/" */
  readonly returnTo?: string | undefined;
  /**
   * What else to send: `login_hint`, `prompt`, `ui_locales`, another `scope` than usual, or a `stepUpChallenge`. With
   * `max_age` (in seconds), `exchange` checks that an ID token's sign-in is as recent as that.
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

/** Begins a sign-in with an authorization code and PKCE. Throws a TypeError that names what is wrong with it. */
export async function authorizationUrl(
  { client, redirectUri, resource, scope: usual, dpop }: Settings,
  server: AuthorizationServer,
  { returnTo = "/", parameters = {} }: AuthorizationOptions = {},
): Promise<{ url: string; pending: PendingAuthorization }> {
  if (!redirectUri) throw new TypeError("`redirectUri` cannot be undefined");
  const { scope = usual, max_age } = parameters;
  if (max_age != null && !isAge(max_age)) throw new TypeError("`max_age` is a number of seconds");
  const nonce = /(^| )openid( |$)/.test(scope ?? "") && { nonce: generateRandomNonce() };
  const pending: PendingAuthorization = {
    issuer: server.issuer,
    state: generateRandomState(),
    codeVerifier: generateRandomCodeVerifier(),
    ...nonce,
    ...(max_age != null && { maxAge: Number(max_age) }),
    redirectUri,
    returnTo: returnPath(returnTo),
  };
  const query = {
    ...parameters,
    scope,
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
  for (const [name, value] of Object.entries(query)) if (value != null) url.searchParams.set(name, value);
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
  if (!response.ok) {
    // Read here: oauth4webapi has another error for a 401 with a challenge, and another for a 5xx.
    const answer = await response.json().catch(() => undefined);
    throw requestFailed({ status: response.status, error: errorCodeIn(answer) });
  }
  return { tokens: await tokensIn(settings, server, response, pending), returnTo };
}

function validated(
  { client }: Settings,
  server: AuthorizationServer,
  callbackUrl: string | URL,
  pending: PendingAuthorization,
): URLSearchParams {
  try {
    const { searchParams } = Object(parse(String(callbackUrl), HERE));
    // Storage may have lost it, and a second issuer its own.
    if (!(pending?.state && pending.codeVerifier && pending.issuer === server.issuer))
      throw new TypeError("no sign-in");
    const callback = validateAuthResponse(server, client, searchParams, pending.state);
    if (callback.getAll("code").length !== 1) throw new TypeError("not one code");
    return callback;
  } catch (cause) {
    // Only an answer that is an error itself has one.
    if (Object(cause).error) {
      throw new OAuthError("ERR_AUTHORIZATION_REFUSED", "The sign-in was refused. Tell the user", {
        error: errorCodeIn(cause),
      });
    }
    throw new OAuthError(
      "ERR_CALLBACK_INVALID",
      "The callback is unusable: see the cause. Begin a new sign-in",
      { cause },
    );
  }
}

function requestFailed(evidence: Evidence): OAuthError {
  return new OAuthError(
    "ERR_TOKEN_REQUEST_FAILED",
    "The code was not exchanged. Begin a new sign-in",
    evidence,
  );
}

async function tokensIn(
  { client, dpop }: Settings,
  server: AuthorizationServer,
  response: Response,
  { nonce, maxAge = client.default_max_age as number }: PendingAuthorization,
): Promise<TokenResponse> {
  try {
    // What is undefined counts as absent there, whatever the types say. Demanded of the request, an age would demand
    // an ID token too.
    const tokens = await processAuthorizationCodeResponse(
      server,
      { ...client, default_max_age: maxAge },
      response,
      { expectedNonce: nonce as string },
    );
    if (tokens.token_type !== (dpop ? "dpop" : "bearer")) throw new TypeError("another token type");
    return tokens;
  } catch (cause) {
    throw new OAuthError(
      "ERR_TOKEN_RESPONSE_INVALID",
      "The tokens are unusable: see the cause. Begin a new sign-in",
      { cause },
    );
  }
}
