import { parse } from "./address.ts";
import { OAuthError } from "./errors.ts";

// Any origin will do: a path keeps it, everything else leaves it.
const HERE = "http://here.invalid";

/**
 * Returns a path of this very application, as browsers understand it.
 * Throws an {@link OAuthError} for what would lead elsewhere.
 */
export function returnPath(returnTo: unknown): string {
  const url = String(returnTo).startsWith("/") ? parse(returnTo, HERE) : undefined;
  const path = url && url.pathname + url.search + url.hash;
  // Without its dots, `/.//evil` is the address of another host.
  if (path && url.origin === HERE && !path.startsWith("//")) return path;
  throw new OAuthError(
    "ERR_RETURN_TO_REFUSED",
    '`returnTo` is a path of this application, such as "/orders?page=2"',
  );
}
