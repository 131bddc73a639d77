import type { AuthorizationServer } from "oauth4webapi";
import { isSecure } from "./address.ts";
import { OAuthError } from "./errors.ts";

type Endpoint = "authorization" | "token" | "revocation";

/** Finds an endpoint in the metadata. Throws an {@link OAuthError} where it is missing, or not safe to send to. */
export function endpointOf(server: AuthorizationServer, name: Endpoint): URL {
  const address = server[`${name}_endpoint`];
  if (isSecure(address)) return new URL(address);
  throw new OAuthError(
    "ERR_METADATA_INVALID",
    `${server.issuer} has no https: URL as its ${name} endpoint. Correct the metadata, or give \`server\``,
  );
}
