import { OAuthError } from "./errors.ts";

// Any origin will do. Behind a dot, a path stays a path, whatever it begins with.
export const HERE = "http://x";

/**
 * Returns a path of this very application, as browsers understand it.
 * Throws an {@link OAuthError} for what would lead elsewhere.
 */
export function returnPath(returnTo: unknown): string {
  const path = new URL(`.${returnTo}`, HERE).href.slice(HERE.length);
  // Without its dots, `/.//evil` is the address of another host.
  if (Object(returnTo).startsWith?.("/") && path[1] !== "/") return path;
  throw new OAuthError("ERR_RETURN_TO_REFUSED", '`returnTo` is a path like "/orders"');
}
