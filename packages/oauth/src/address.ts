/** Reads a URL. Undefined: it is none. */
export function parse(address: unknown, base?: string): URL | undefined {
  try {
    return typeof address === "string" ? new URL(address, base) : undefined;
  } catch {
    return undefined;
  }
}

// As an address is written once it was parsed. One that carries credentials is none: a fetch refuses and quotes it.
const HTTPS = /^https:\/\/[^/@]+\//;
const LOOPBACK = /^http:\/\/([^/@]+\.)?(localhost|127[.\d]+|\[::1\])(:\d+)?\//;

/** Tells whether secrets may travel to an address of an issuer: by https:, or by http: where both are on loopback. */
export function isSecure(address: unknown, issuer: unknown = address): address is string {
  return HTTPS.test(written(address)) || (isLoopback(address) && isLoopback(issuer));
}

/** Tells whether an address is plain http: on this very machine. */
export function isLoopback(address: unknown): boolean {
  return LOOPBACK.test(written(address));
}

function written(address: unknown): string {
  return parse(address)?.href ?? "";
}
