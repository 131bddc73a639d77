import { allowInsecureRequests, customFetch } from "oauth4webapi";
import type { SessionWiring } from "./wiring/session.ts";

/** What oauth4webapi has to be told here: the demo's server speaks http, and its calls go over a wire that counts. */
export function loopback(fetch: typeof globalThis.fetch): NonNullable<SessionWiring["http"]> {
  return { [customFetch]: (url: string, init: object) => fetch(url, init), [allowInsecureRequests]: true };
}
