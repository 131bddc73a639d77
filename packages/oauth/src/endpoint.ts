import type { AuthorizationServer } from "oauth4webapi";
import { isSecure } from "./address.ts";
import { MISCONFIGURED, OAuthError } from "./errors.ts";

type Endpoint = "authorization" | "token" | "revocation";

/** Finds an endpoint in the metadata. Throws an {@link OAuthError} where it is missing, or not safe to send to. */
export function endpointOf(server: AuthorizationServer, name: Endpoint): URL {
  const key = `${name}_endpoint` as const;
  const { issuer, mtls_endpoint_aliases, [key]: address } = server;
  const alias = (mtls_endpoint_aliases as Partial<AuthorizationServer>)?.[key] ?? address;
  if (isSecure(address, issuer) && isSecure(alias, issuer)) return new URL(address);
  throw new OAuthError(
    "ERR_METADATA_INVALID",
    `${issuer} has no https: ${name} endpoint. Correct that, or give \`server\``,
    MISCONFIGURED,
  );
}
