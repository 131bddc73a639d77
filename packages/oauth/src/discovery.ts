import {
  type AuthorizationServer,
  discoveryRequest,
  JSON_ATTRIBUTE_COMPARISON,
  processDiscoveryResponse,
} from "oauth4webapi";
import { endpointOf } from "./endpoint.ts";
import { MISCONFIGURED, OAuthError } from "./errors.ts";
import type { Settings } from "./options.ts";

/** Makes the lazy discovery of one issuer: asked once for all who wait, kept once it is found, forgotten when it fails. */
export function createDiscovery(settings: Settings): () => Promise<AuthorizationServer> {
  let asked: Promise<AuthorizationServer> | undefined;

  return () => {
    asked ??= discover(settings);
    asked.catch(() => {
      asked = undefined;
    });
    return asked;
  };
}

async function discover(settings: Settings): Promise<AuthorizationServer> {
  const server = settings.server ?? (await lookUp(settings));
  endpointOf(server, "token");
  return server;
}

async function lookUp({ issuer, http }: Settings): Promise<AuthorizationServer> {
  const url = new URL(issuer);
  const request = (algorithm: "oidc" | "oauth2") => discoveryRequest(url, { ...http, algorithm });
  try {
    const response = await request("oidc");
    // OpenID Connect and RFC 8414 each have a place of their own.
    return await processDiscoveryResponse(url, response.status === 404 ? await request("oauth2") : response);
  } catch (cause) {
    const { code, cause: answer } = Object(cause);
    if (code === JSON_ATTRIBUTE_COMPARISON) {
      throw new OAuthError(
        "ERR_ISSUER_MISMATCH",
        `${issuer} says it is ${answer.body.issuer}. Try that, or give \`server\``,
        MISCONFIGURED,
      );
    }
    throw new OAuthError(
      "ERR_DISCOVERY_FAILED",
      `${issuer} shows no metadata. Try again, or give \`server\``,
      { cause, status: answer?.status },
    );
  }
}
