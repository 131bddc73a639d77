import type { Scheme } from "@freshtoken/core";
import type { AuthorizationServer, DPoPRequestOptions } from "oauth4webapi";

/** What binds the tokens of a sign-in to a key of the client: `dpop()` of `@freshtoken/oauth/dpop` makes one. */
export interface Binding {
  /**
   * Finds the key that a sign-in begins with, or makes it. Resolves with what the authorization request says of it.
   * Rejects where the server cannot do with it.
   */
  begin(server: AuthorizationServer): Promise<Record<string, string>>;
  /**
   * Makes a token request that shows the key. `send` is called once more where the server asks for another proof,
   * and authenticates the client anew then. With `begins`, a sign-in at that server begins with it.
   */
  prove(
    send: (options: DPoPRequestOptions) => Promise<Response>,
    begins?: AuthorizationServer,
  ): Promise<Response>;
  /** What a session does otherwise: requests show the key, and it ends where the key is gone. */
  readonly session: { readonly scheme: Scheme; isRejection(error: unknown): boolean | undefined };
}
