import { createApi } from "./api.ts";
import { clientId, createApiClient, redirectUri } from "./clients.ts";
import { createIntrospect } from "./introspection.ts";
import { keepLedger, type Ledger } from "./ledger.ts";
import { type Listener, listen } from "./listener.ts";
import { createProvider, type ProviderOptions } from "./provider.ts";

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
}: AuthorizationServerOptions = {}): Promise<AuthorizationServer> {
  checkLifetime(accessTokenLifetime);
  const [authorization, api] = await listenTwice(port, apiPort);
  const ledger = connect(authorization, api, { accessTokenLifetime, clients });

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
  options: Pick<ProviderOptions, "accessTokenLifetime" | "clients">,
): Ledger {
  const issuer = authorization.origin;
  const apiClient = createApiClient();
  const provider = createProvider({ issuer, apiClient, ...options });
  const ledger = keepLedger(provider);
  authorization.server.on("request", provider.callback());
  api.server.on(
    "request",
    createApi(createIntrospect(issuer + provider.pathFor("introspection"), apiClient)),
  );
  return ledger;
}

function checkLifetime(seconds: number): void {
  if (Number.isInteger(seconds) && seconds > 0) return;
  throw new TypeError(
    `accessTokenLifetime must be a whole number of seconds from 1, not ${String(seconds)}.`,
  );
}
