/** The wire form of a token response. @see RFC 6749 §5.1 */
export interface TokenResponse {
  access_token: string;
  token_type: string;
  /** Seconds. Absent where the server was given no `expiresIn`. */
  expires_in?: number;
  /** Absent where none was issued: a sign-in without one, a refresh that does not rotate. */
  refresh_token?: string;
  [extra: string]: unknown;
}

/** Names a token: family 1, 2, 3 … is the sign-in it came from, generation 0, 1, 2 … its place in that family. */
export type TokenNames = (kind: "access" | "refresh", family: number, generation: number) => string;

/** `a0` and `r0`, then `a1` and `r1` after a refresh; from the second sign-in on, `2.a0` and `2.r0`. */
export const readableTokens: TokenNames = (kind, family, generation) =>
  `${family === 1 ? "" : `${family}.`}${kind === "access" ? "a" : "r"}${generation}`;

/** Long, unmistakable, in the form of a JWT: for tests that look for leaked tokens, whole or in part. */
export const secretTokens: TokenNames = (kind, family, generation) =>
  [
    { alg: "none", typ: "JWT" },
    { sub: `family-${family}`, kind, generation },
    `signature-of-${kind}-${family}-${generation}-that-nobody-else-may-see`,
  ]
    .map((part) => base64url(typeof part === "string" ? part : JSON.stringify(part)))
    .join(".");

function base64url(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
