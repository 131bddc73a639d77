import { kindOf } from "./kind.ts";

/** The origins that may see the token: listed, or judged by a function. */
export type Origins = readonly string[] | ((url: URL) => boolean);

/**
 * Compiles who may see the token into a predicate of a URL.
 * Origins are compared as parsed origins, never as prefixes.
 *
 * The predicate throws a TypeError where the token would travel over plain `http:` to a host that is
 * neither loopback, nor the page's own origin, nor listed literally.
 */
export function originsOf(origins: Origins | undefined, base?: string | URL): (url: string | URL) => boolean {
  const listed = Array.isArray(origins) ? new Set(origins.map(parseOrigin)) : undefined;
  if (origins !== undefined && !listed && typeof origins !== "function") {
    throw new TypeError(
      `\`origins\` is a list such as ["https://api.example.com"], or a function of a URL, not ${kindOf(origins)}`,
    );
  }
  const page = pageOrigin();
  const only = origins ? undefined : (originOf(base) ?? page);
  if (!origins && !only) {
    throw new TypeError(
      'Nothing says which origins may see the token: give `origins`, for example ["https://api.example.com"]',
    );
  }
  const allowed = (url: URL) =>
    listed
      ? listed.has(url.origin)
      : typeof origins === "function"
        ? origins(url) === true
        : url.origin === only;

  return (address) => {
    const url = parse(address, baseOfPage());
    // A `blob:` URL has the origin of the page that made it, and never leaves the browser.
    if (!url || !/^https?:$/.test(url.protocol) || !allowed(url)) return false;
    if (url.protocol === "https:" || listed || url.origin === page || isLoopback(url.hostname)) return true;
    throw new TypeError(
      `The token is not sent to ${url.origin} over plain http: use https:, or list "${url.origin}" in \`origins\``,
    );
  };
}

/** Reads one entry of `origins`. Throws a TypeError for what is not an origin. */
export function parseOrigin(value: unknown): string {
  // A URL may have a `*` in its host, where it would match nothing.
  const url = typeof value === "string" && !value.includes("*") ? parse(value) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  const arrived = typeof value === "string" ? JSON.stringify(value) : typeof value;
  throw new TypeError(`\`origins\` lists origins such as "https://api.example.com", not ${arrived}`);
}

function originOf(base: string | URL | undefined): string | undefined {
  const url = base === undefined ? undefined : parse(base, baseOfPage());
  return url && /^https?:$/.test(url.protocol) ? url.origin : undefined;
}

function pageOrigin(): string | undefined {
  return originOf(globalThis.location?.href);
}

// Where clients resolve a relative URL: a page may say so in a `<base>`, a worker has none.
function baseOfPage(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}

function isLoopback(hostname: string): boolean {
  return /^(?:(?:.*\.)?localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname);
}

function parse(address: string | URL, base?: string): URL | undefined {
  try {
    return new URL(address, base);
  } catch {
    return undefined;
  }
}

/** Shows a URL without its credentials, query and fragment, any of which may hold a secret. */
export function withoutQuery(address: string | URL): string {
  const url = parse(address, baseOfPage());
  return url ? (url.origin === "null" ? url.protocol : url.origin + url.pathname) : "(not a URL)";
}
