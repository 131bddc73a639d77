import type { Answer } from "./refusal.ts";
import type { TokenSet } from "./tokens.ts";

/** The request that a scheme is asked about: the same object for every attempt of one request. */
export interface SchemeRequest {
  readonly url: string;
  readonly method: string;
}

/** How a request shows the resource server that it is authorized. */
export interface Scheme {
  /** False: no access token is needed; the browser sends a cookie. */
  readonly sendsToken: boolean;
  /** The only token type it understands, in any case (RFC 6749 §7.1). Absent: it judges for itself. */
  readonly tokenType?: string;
  /** Returns the header fields to set on one request; asked again for every replay. */
  fields(tokens: TokenSet, request: SchemeRequest): Record<string, string> | Promise<Record<string, string>>;
  /** Sees every answer, and may ask for the request to be sent again with the same tokens: for nonces. */
  answered?(answer: Answer, request: SchemeRequest): "replay" | void;
}

/**
 * Sends the access token as a bearer token. The default.
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-2.1
 */
export function bearer(): Scheme {
  return {
    sendsToken: true,
    tokenType: "Bearer",
    fields: ({ accessToken }) => ({ authorization: `Bearer ${accessToken}` }),
  };
}

/**
 * Sends no token: the browser sends a cookie that only the server can read. Such a session starts signed in,
 * until a refresh is rejected.
 *
 * `fields` returns what rotates beside the cookie, a CSRF token for instance.
 */
export function cookie({ fields = () => ({}) }: { fields?: Scheme["fields"] } = {}): Scheme {
  return { sendsToken: false, fields };
}
