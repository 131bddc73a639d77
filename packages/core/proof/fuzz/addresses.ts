import fc from "fast-check";
import { originsOf, withoutQuery } from "../../src/origin.ts";
import { demand } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";

const HOSTS = [
  ...[
    "api.test",
    "API.test",
    "api.test.",
    "api.test.evil",
    "evil-api.test",
    "xapi.test",
    "api%2Etest",
    "\uff41pi.test",
    "api\u3002test",
  ],
  ...[
    "localhost",
    "a.localhost",
    "localhost.evil",
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f.1",
    "127.0.0.1.evil",
    "[::1]",
    "[::1",
    "0.0.0.0",
  ],
  ...["", "*", "b\u00fccher.test", "xn--bcher-kva.test", "\u0430pi.test", "a_b.test", "a b.test"],
];

const addresses = fc
  .record({
    before: fc.constantFrom("", "", "", " ", "\t", "\u0000", "\ufeff"),
    scheme: fc.constantFrom(
      "https",
      "https",
      "https",
      "http",
      "HTTPS",
      "ws",
      "blob:https",
      "data",
      "javascript",
      "file",
      "",
    ),
    slashes: fc.constantFrom("://", "://", "://", ":", ":/", ":///", ":\\\\", "//", "\\\\", "/"),
    user: fc.constantFrom(
      "",
      "",
      "",
      "user@",
      "user:pass@",
      "api.test@",
      "https://api.test@",
      "api.test\\@",
      "@",
    ),
    host: fc.constantFrom(...HOSTS),
    port: fc.constantFrom("", "", ":443", ":80", ":8443", ":", ":65536", ":0443", ":x"),
    path: fc.oneof(
      fc.constantFrom("", "/", "/me?token=x#y", "\\@api.test", "?//api.test", "#@api.test", "/../.."),
      fc.string(),
    ),
  })
  .map(
    ({ before, scheme, slashes, user, host, port, path }) =>
      before + scheme + slashes + user + host + port + path,
  );

const listed = fc.constantFrom(
  ...[
    "https://api.test",
    "https://api.test:8443",
    "http://api.test",
    "http://localhost",
    "https://127.0.0.1",
    "https://xn--bcher-kva.test",
  ],
);

/** The URL as the platform reads it. */
function parsed(address: string): URL | undefined {
  return URL.canParse(address) ? new URL(address) : undefined;
}

function isHttp(url: URL): boolean {
  return url.protocol === "https:" || url.protocol === "http:";
}

function isLoopback({ hostname }: URL): boolean {
  const parts = hostname.split(".");
  const isAddress = parts.length === 4 && parts[0] === "127" && parts.every((part) => Number(part) <= 255);
  return hostname === "localhost" || hostname.endsWith(".localhost") || hostname === "[::1]" || isAddress;
}

type Verdict = boolean | "over plain http";

function verdict(covers: () => boolean): Verdict {
  try {
    return covers();
  } catch (error) {
    demand(
      error instanceof TypeError && error.message.includes("plain http"),
      "throws something else",
      error,
    );
    return "over plain http";
  }
}

/** Where the token may go. */
export const urls: readonly Property[] = [
  propertyOf(
    "a URL against listed origins: as the platform parses both",
    fc.tuple(addresses, listed),
    ([address, origin]) => {
      const url = parsed(address);
      const expected = url !== undefined && isHttp(url) && url.origin === new URL(origin).origin;
      demand(verdict(() => originsOf([origin])(address)) === expected, `not ${expected}`, url?.href);
    },
  ),
  propertyOf(
    "a URL against a base: the same origin, and over http only to loopback",
    fc.tuple(addresses, addresses),
    ([address, base]) => {
      const [url, of] = [parsed(address), parsed(base)];
      if (!of || !isHttp(of)) return;
      const isSame = url !== undefined && isHttp(url) && url.origin === of.origin;
      const isSafe = url !== undefined && (url.protocol === "https:" || isLoopback(url));
      const expected = isSame && (isSafe || "over plain http");
      demand(verdict(() => originsOf(undefined, base)(address)) === expected, `not ${expected}`, url?.href);
    },
  ),
  propertyOf("a URL as errors and events name it: without what may be secret", addresses, (address) => {
    const url = parsed(address);
    const name = withoutQuery(address);
    demand(!/[?#]/.test(name), "with its query", name);
    demand(!url?.password || !name.includes(`${url.password}@`), "with its password", name);
  }),
];
