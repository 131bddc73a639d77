import { generateKeyPairSync, type JsonWebKey, randomBytes } from "node:crypto";
import Provider from "oidc-provider";
import { findAccount } from "./accounts.ts";
import { type ConfidentialClient, clientMetadata } from "./clients.ts";
import { answerInteractions, interactionPrompts, interactionUrl, resourceScope } from "./interaction.ts";
import type { NoteProof } from "./proofs.ts";
import { createRecords } from "./records.ts";

const hour = 3600;
const day = 24 * hour;

export interface ProviderOptions {
  readonly issuer: string;
  readonly apiClient: ConfidentialClient;
  /** Seconds. */
  readonly accessTokenLifetime: number;
  /** Clients besides those of `clients.ts`. */
  readonly clients: readonly Readonly<Record<string, unknown>>[];
  /** Whether DPoP proofs have to carry a nonce. */
  readonly dpopNonces: boolean;
  /** Hears of every DPoP proof at the token endpoint. */
  readonly note: NoteProof;
}

/** Creates the OpenID provider, all of it in memory: its keys and records are gone when it is. */
export function createProvider(options: ProviderOptions): Provider {
  const provider = new Provider(options.issuer, configuration(options));
  // A request whose client went away in the middle is an error to koa, which would print it.
  provider.silent = true;
  answerInteractions(provider);
  noteProofs(provider, options.note);
  return provider;
}

function noteProofs(provider: Provider, note: NoteProof): void {
  provider.use(async ({ req, res, path }, next) => {
    const { dpop } = req.headers;
    if (typeof dpop === "string" && path === provider.pathFor("token")) {
      res.once("finish", () => note("token", dpop, res.statusCode));
    }
    await next();
  });
}

// Whatever is left out here the provider fills in with a default, and says so on the console.
function configuration({
  apiClient,
  accessTokenLifetime,
  clients,
  dpopNonces,
}: ProviderOptions): Record<string, unknown> {
  return {
    adapter: () => createRecords(),
    clients: [...clientMetadata(apiClient), ...clients],
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    scopes: ["openid", "offline_access", "api"],
    findAccount,
    interactions: { url: interactionUrl, policy: interactionPrompts() },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    // Revoking an access token takes the family's other tokens along in any case: let the grant, and the event, follow.
    revokeGrantPolicy: () => true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: accessTokenLifetime,
      AuthorizationCode: 60,
      ClientCredentials: accessTokenLifetime,
      Grant: day,
      IdToken: hour,
      Interaction: hour,
      RefreshToken: day,
      Session: day,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_context: unknown, _client: unknown, among: unknown) => among,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: resourceScope, accessTokenFormat: "opaque" }),
      },
      // A nonce of the provider is good for some minutes.
      dPoP: {
        enabled: true,
        nonceSecret: dpopNonces ? randomBytes(32) : undefined,
        requireNonce: () => dpopNonces,
      },
      introspection: { enabled: true, allowedPolicy: isClient(apiClient.clientId) },
      revocation: { enabled: true, allowedPolicy: ownsToken },
      rpInitiatedLogout: { enabled: false },
    },
    clientBasedCORS: () => true,
    renderError: (context: { body: unknown }, error: unknown) => {
      context.body = error;
    },
  };
}

type Policy = (
  context: unknown,
  client: { readonly clientId: string },
  token: { readonly clientId: string },
) => boolean;

function isClient(clientId: string): Policy {
  return (_context, client) => client.clientId === clientId;
}

const ownsToken: Policy = (_context, client, token) => client.clientId === token.clientId;

function signingKey(): JsonWebKey {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
}
