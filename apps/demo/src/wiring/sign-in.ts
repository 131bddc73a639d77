import type { AuthorizationOptions } from "@freshtoken/oauth";
import type { Application } from "./session.ts";

/**
 * Signs the user in: copy from here. `visit` sends the browser to the authorization server, and resolves with the address
 * that it comes back to. In a page those are two halves, and `pending` waits in `sessionStorage` between them.
 */
export async function signUserIn(
  { oauth, session }: Application,
  visit: (url: string) => Promise<string | URL>,
  options?: AuthorizationOptions,
): Promise<void> {
  const { url, pending } = await oauth.authorizationUrl(options);
  const { tokens } = await oauth.exchange(await visit(url), pending);
  await session.signIn(tokens);
}
