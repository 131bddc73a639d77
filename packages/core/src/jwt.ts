const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/**
 * Tells when a JWT access token expires, in ms since the epoch: `exp − iat` from now, so that a wrong local
 * clock does not matter, or `exp` where it has no `iat`. Undefined where the token is not a JWT, or does not say.
 *
 * Ask when the token has just been issued. Its signature is not checked: that is the resource server's part.
 * @see https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4
 */
export function jwtExpiresAt(accessToken: string): number | undefined {
  try {
    const { exp, iat } = JSON.parse(decode(accessToken.split(".")[1] ?? ""));
    if (!Number.isFinite(exp)) return undefined;
    const expiresAt = Number.isFinite(iat) ? Date.now() + (exp - iat) * 1000 : exp * 1000;
    return Number.isFinite(expiresAt) ? expiresAt : undefined;
  } catch {
    return undefined;
  }
}

function decode(base64url: string): string {
  let bits = 0;
  let size = 0;
  let text = "";
  for (const letter of base64url) {
    bits = ((bits << 6) | ALPHABET.indexOf(letter)) & 0xffff;
    size += 6;
    if (size < 8) continue;
    size -= 8;
    text += String.fromCharCode((bits >> size) & 0xff);
  }
  return text;
}
