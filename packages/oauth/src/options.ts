import {
  type AuthorizationServer,
  allowInsecureRequests,
  type Client,
  type ClientAuth,
  customFetch,
  None,
} from "oauth4webapi";
import { isLoopback, isSecure, parse } from "./address.ts";
import type { Binding } from "./binding.ts";
import { digest } from "./errors.ts";

export interface OAuthOptions {
  /** The issuer identifier of the authorization server. An `http:` one only on loopback. */
  issuer: string;
  /** What the server calls this application. */
  clientId: string;
  /** Where the server sends the browser after a sign-in, without a fragment. Needed to sign in. */
  redirectUri?: string | undefined;
  /**
   * What to ask for, for example `"openid offline_access"`. With `openid`, a sign-in demands an ID token.
   * A refresh never sends it. Absent: the server's default.
   */
  scope?: string | undefined;
  /**
   * The APIs that the tokens are for, as absolute URIs.
   * @see https://www.rfc-editor.org/rfc/rfc8707
   */
  resource?: string | readonly string[] | undefined;
  /**
   * How the client authenticates: `ClientSecretBasic(secret)`, `PrivateKeyJwt(key)`, … A secret has no place in
   * a browser. @default None()
   */
  clientAuthentication?: ClientAuth | undefined;
  /**
   * What else is known of the client: a clock tolerance for ID tokens, or that the mTLS aliases of endpoints are to be
   * used.
   */
  client?: Partial<Client> | undefined;
  /**
   * The server's metadata, instead of discovery.
   * @see https://www.rfc-editor.org/rfc/rfc8414#section-2
   */
  server?: Partial<AuthorizationServer> | undefined;
  /**
   * Binds the tokens to a key: `dpop()` of `@freshtoken/oauth/dpop`. Absent: they are Bearer tokens.
   * @see https://www.rfc-editor.org/rfc/rfc9449
   */
  dpop?: Binding | undefined;
  /**
   * The fetch underneath: one with a client certificate, for instance. It has to heed its signal.
   * @default the platform's
   */
  fetch?: typeof fetch | undefined;
}

/** The options, as the requests want them. */
export interface Settings extends Pick<OAuthOptions, "issuer" | "redirectUri" | "scope" | "dpop"> {
  readonly client: Client;
  readonly clientAuthentication: ClientAuth;
  /** As parameters of a request. */
  readonly resource: [name: "resource", uri: string][];
  readonly server: AuthorizationServer | undefined;
  readonly http: Http;
  /** Makes a token request, bound to a key where there is one. */
  readonly prove: Binding["prove"];
}

interface Http {
  readonly [customFetch]: (url: string, init: object) => Promise<Response>;
  readonly [allowInsecureRequests]: boolean;
  readonly signal: () => AbortSignal;
}

/** Checks the options and completes them. Throws a TypeError that names the option and what arrived. */
export function settingsOf(options: OAuthOptions): Settings {
  for (const name in { ...RULES, ...options }) {
    const value = Object(options)[name];
    // Of what arrived, a secret in the wrong place perhaps, nothing is shown but an origin.
    const arrived = parse(value)?.origin ?? typeof value;
    if (!Object(RULES)[name]?.(value)) throw new TypeError(`\`${name}\` cannot be ${arrived}`);
  }
  const { issuer, clientId, client, resource = [], clientAuthentication = None(), server, dpop } = options;
  return {
    ...options,
    client: { ...client, client_id: clientId },
    clientAuthentication,
    resource: [resource].flat().map((uri) => ["resource", uri]),
    server: server && { ...server, issuer },
    http: {
      [customFetch]: uncached(options.fetch),
      [allowInsecureRequests]: isLoopback(issuer),
      // For one request: as long as an attempt of a session may take. A refresh brings the signal of its own attempt.
      signal: () => AbortSignal.timeout(10_000),
    },
    prove: dpop ? dpop.prove : (send) => send({}),
  };
}

type Rule = (value: unknown) => unknown;

const isAbsolute: Rule = (value = []) =>
  [value].flat().every((uri) => parse(uri)?.href.includes("#") === false);

const optional =
  (type: string): Rule =>
  (value) =>
    value === undefined || typeof value === type;

const RULES: Readonly<Record<keyof OAuthOptions, Rule>> = {
  issuer: isSecure,
  clientId: (value) => value && typeof value === "string",
  redirectUri: isAbsolute,
  scope: optional("string"),
  resource: isAbsolute,
  clientAuthentication: optional("function"),
  client: optional("object"),
  server: optional("object"),
  dpop: (value = { prove: true }) => Object(value).prove,
  fetch: optional("function"),
};

function uncached(given: typeof fetch | undefined): Http[typeof customFetch] {
  return async (url, init: RequestInit) => {
    // An attempt that was given up meanwhile is made no more.
    init.signal?.throwIfAborted();
    try {
      const response = await (given ?? fetch)(url, { ...init, cache: "no-store" });
      // A browser shows nothing of a redirect that it does not follow.
      return response.status ? response : new Response(null, { status: 302 });
    } catch (error) {
      throw digest(error, "fetch failed");
    }
  };
}
