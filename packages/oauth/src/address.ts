/** Reads a URL. Undefined: it is none. */
export function parse(address: unknown, base?: string): URL | undefined {
  try {
    return typeof address === "string" ? new URL(address, base) : undefined;
  } catch {
    return undefined;
  }
}

/** Tells whether secrets may travel to this address: by https:, or by http: on loopback. */
export function isSecure(address: unknown): address is string {
  const url = parse(address);
  return url?.protocol === "https:" || isLoopback(url);
}

/** Tells whether an address is plain http: on this very machine. */
export function isLoopback(url: URL | undefined): boolean {
  return url?.protocol === "http:" && /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
}
