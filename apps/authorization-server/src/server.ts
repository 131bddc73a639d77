import { createApi } from "./api.ts";
import { clientId, createApiClient, redirectUri } from "./clients.ts";
import { createIntrospect } from "./introspection.ts";
import { keepLedger, type Ledger } from "./ledger.ts";
import { type Listener, listen } from "./listener.ts";
import { createNonces } from "./nonces.ts";
import { keepProofs, type SeenProof } from "./proofs.ts";
import { createProvider, type ProviderOptions } from "./provider.ts";

// So many more a client may be given before it is told to take a newer one.
const NONCE_LIFETIME = 20;

export interface AuthorizationServerOptions {
  /** The loopback port of the authorization server. @default a free one */
  readonly port?: number;
  /** The loopback port of the resource API. @default a free one */
  readonly apiPort?: number;
  /**
   * Seconds, a whole number. The provider counts in whole seconds and cuts them off: a token lives up to a
   * second less.
   *
   * @default 5
   */
  readonly accessTokenLifetime?: number;
  /**
   * Further clients, as the provider's metadata has them (RFC 7591 §2): confidential ones, services.
   *
   * @default none
   */
  readonly clients?: readonly Readonly<Record<string, unknown>>[];
  /**
   * Whether DPoP proofs have to carry a nonce. Those of the provider change every minute and are good for three
   * to five; the API gives a new one with every answer, good until it has given 20 more.
   *
   * @default false
   */
  readonly dpopNonces?: boolean;
}

/** A running authorization server and, on an origin of its own, the API that it guards. */
export interface AuthorizationServer extends AsyncDisposable {
  readonly issuer: string;
  /** The origin of the resource API. */
  readonly api: string;
  readonly clientId: string;
  readonly redirectUri: string;
  /** What became of the refresh tokens so far; it goes on being written. */
  readonly ledger: Ledger;
  /** The DPoP proofs that came to the token endpoint and to the API so far; it goes on being written. */
  readonly proofs: readonly SeenProof[];
  /** Ends every connection and frees both ports. Closing twice is closing once. */
  close(): Promise<void>;
}

/**
 * Starts an OpenID provider and a resource API on loopback ports, with nothing on disk and nothing printed.
 *
 * Rejects with one clear line where a port is in use; nothing is left running then.
 *
 * @throws TypeError when `accessTokenLifetime` is not a whole number of seconds.
 *
 * @example
 * await using server = await startAuthorizationServer();
 * const tokens = await signIn(server, { account: "alice" });
 * await fetch(`${server.api}/me`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
 */
export async function startAuthorizationServer({
  port = 0,
  apiPort = 0,
  accessTokenLifetime = 5,
  clients = [],
  dpopNonces = false,
}: AuthorizationServerOptions = {}): Promise<AuthorizationServer> {
  checkLifetime(accessTokenLifetime);
  const [authorization, api] = await listenTwice(port, apiPort);
  const { proofs, note } = keepProofs();
  const ledger = connect(authorization, api, { accessTokenLifetime, clients, dpopNonces, note });

  let closing: Promise<unknown> | undefined;
  async function close(): Promise<void> {
    closing ??= Promise.all([authorization.close(), api.close()]);
    await closing;
  }

  return {
    issuer: authorization.origin,
    api: api.origin,
    clientId,
    redirectUri,
    ledger,
    proofs,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function listenTwice(port: number, apiPort: number): Promise<[Listener, Listener]> {
  const authorization = await listen(port, "port");
  try {
    return [authorization, await listen(apiPort, "apiPort")];
  } catch (error) {
    await authorization.close();
    throw error;
  }
}

function connect(
  authorization: Listener,
  api: Listener,
  options: Omit<ProviderOptions, "issuer" | "apiClient">,
): Ledger {
  const issuer = authorization.origin;
  const apiClient = createApiClient();
  const provider = createProvider({ issuer, apiClient, ...options });
  const ledger = keepLedger(provider);
  authorization.server.on("request", provider.callback());
  const introspect = createIntrospect(issuer + provider.pathFor("introspection"), apiClient);
  const nonces = options.dpopNonces ? createNonces(NONCE_LIFETIME) : undefined;
  api.server.on("request", createApi(introspect, { nonces, note: options.note }));
  return ledger;
}

function checkLifetime(seconds: number): void {
  if (Number.isInteger(seconds) && seconds > 0) return;
  throw new TypeError(
    `accessTokenLifetime must be a whole number of seconds from 1, not ${String(seconds)}.`,
  );
}
