import { afterEach, expect, test, vi } from "vitest";
import { type Origins, originsOf, parseOrigin, withoutQuery } from "../src/origin.ts";

afterEach(() => void vi.unstubAllGlobals());

const onPage = (href: string) => vi.stubGlobal("location", new URL(href));
const NO_ORIGIN =
  'Nothing says which origins may see the token: give `origins`, for example ["https://api.example.com"]';

// Plain http is refused aloud; anything else silently.
function verdict(covers: (url: string | URL) => boolean, url: string | URL): boolean | string {
  try {
    return covers(url);
  } catch (error) {
    return (error as Error).message;
  }
}

const SAME = [
  "https://api.example.com",
  "https://api.example.com/",
  "https://api.example.com/me?x=1#y",
  "https://api.example.com:443/me",
  "https://API.EXAMPLE.COM/me",
  "HTTPS://api.example.com/me",
  "https:api.example.com/me",
  "https:/api.example.com/me",
  "https:///api.example.com/me",
  "https:\\\\api.example.com\\me",
  " https://api.example.com/me\n",
  "https://api.exa\tmple.com/me",
  "https://user:password@api.example.com/me",
  "https://api%2Eexample%2Ecom/me",
  "https://ａｐｉ.example.com/me",
  "https://api。example。com/me",
  "https://api.example.com\\@evil.com/me",
];

const OTHER = [
  "https://evil.com/me",
  "https://api.example.com.evil.com/me",
  "https://api.example.com.evil/me",
  "https://evil-api.example.com/me",
  "https://sub.api.example.com/me",
  "https://example.com/me",
  "https://api.example.com@evil.com/me",
  "https://api.example.com:443@evil.com/me",
  "https://api.example.com%40evil.com/me",
  "https://evil.com\\@api.example.com/me",
  "https://evil.com/https://api.example.com",
  "https://evil.com?https://api.example.com",
  "https://evil.com#https://api.example.com",
  "https://api.example.com:8443/me",
  "https://api.example.com:80/me",
  "https://api.example.com./me",
  "https://аpi.example.com/me", // a Cyrillic а
  "https://api.ex\u00e4mple.com/me",
  "https://api.example.com\u2044.evil.com/me",
  "//evil.com/me",
  "//api.example.com/me",
  "\\\\evil.com/me",
  "/me",
  "me",
  "",
  "api.example.com/me",
  "data:text/plain,https://api.example.com",
  "blob:https://api.example.com/4f5c6d7e",
  "file:///etc/passwd",
  "ftp://api.example.com/me",
  "ws://api.example.com/me",
  "wss://api.example.com/me",
  "javascript:alert(1)",
  "about:blank",
  "https://",
  "https://[/me",
  "http://api.example.com/me",
];

test.each(SAME)("shows the token to a listed origin, however it is written: %j", (url) => {
  const covers = originsOf(["https://api.example.com"]);

  expect(verdict(covers, url)).toBe(true);
});

test.each(OTHER)("shows the token to nobody else: %j", (url) => {
  expect(verdict(originsOf(["https://api.example.com"]), url)).toBe(false);
  expect(verdict(originsOf(undefined, "https://api.example.com/v1/"), url)).toBe(false);
});

test("takes a URL object as well as its text", () => {
  const covers = originsOf(["https://api.example.com"]);

  expect(covers(new URL("https://api.example.com/me"))).toBe(true);
  expect(covers(new URL("https://evil.com/me"))).toBe(false);
});

test.each<[string, string, boolean]>([
  ["https://bücher.example", "https://xn--bcher-kva.example/", true],
  ["https://xn--bcher-kva.example", "https://BÜCHER.example/", true],
  ["https://bücher.example", "https://bucher.example/", false],
  ["https://api.example.com:443", "https://api.example.com/", true],
  ["https://api.example.com:8443", "https://api.example.com:8443/", true],
  ["https://api.example.com:8443", "https://api.example.com/", false],
  ["http://api.example.com:80", "http://api.example.com/", true],
  ["http://api.example.com", "https://api.example.com/", false],
  ["https://api.example.com./", "https://api.example.com./", true],
  ["https://API.example.com/", "https://api.example.com/", true],
  ["https://[2001:DB8::1]", "https://[2001:db8:0::1]/", true],
  ["https://127.1", "https://127.0.0.1/", true],
])("compares parsed origins: %s listed, %s asked: %s", (listed, url, expected) => {
  expect(verdict(originsOf([listed]), url)).toBe(expected);
});

test.each([
  ["https://api.example.com/v1", '"https://api.example.com/v1"'],
  ["https://api.example.com?x", '"https://api.example.com?x"'],
  ["https://api.example.com#x", '"https://api.example.com#x"'],
  ["https://user@api.example.com", '"https://user@api.example.com"'],
  ["https://*.example.com", '"https://*.example.com"'],
  ["https://*.example.com/*", '"https://*.example.com/*"'],
  ["api.example.com", '"api.example.com"'],
  ["//api.example.com", '"//api.example.com"'],
  ["/", '"/"'],
  ["", '""'],
  ["null", '"null"'],
  ["*", '"*"'],
  ["wss://api.example.com", '"wss://api.example.com"'],
  ["blob:https://api.example.com/4f", '"blob:https://api.example.com/4f"'],
  ["file:///", '"file:///"'],
  [7, "number"],
  [undefined, "undefined"],
  [new URL("https://api.example.com"), "object"],
])("refuses a list with what is no origin: %s", (value, arrived) => {
  const error = new TypeError(`\`origins\` lists origins such as "https://api.example.com", not ${arrived}`);

  expect(() => parseOrigin(value)).toThrow(error);
  expect(() => originsOf(["https://ok.example", value as string])).toThrow(error);
});

const plain = (origin: string) =>
  `The token is not sent to ${origin} over plain http: use https:, or list "${origin}" in \`origins\``;

test.each<[string, Origins | undefined, string | undefined, string, boolean | string]>([
  ["listed with http:", ["http://intranet"], undefined, "http://intranet/me", true],
  ["listed with https: only", ["https://intranet"], undefined, "http://intranet/me", false],
  ["the base URL's", undefined, "http://intranet/v1", "http://intranet/me", plain("http://intranet")],
  [
    "the base URL's, on a port",
    undefined,
    "http://intranet:81",
    "http://intranet:81/me",
    plain("http://intranet:81"),
  ],
  ["judged by a function", () => true, undefined, "http://intranet/me", plain("http://intranet")],
  ["turned down by a function", () => false, undefined, "http://intranet/me", false],
  ["loopback, as the base URL's", undefined, "http://localhost:3000/v1", "http://localhost:3000/me", true],
  ["loopback, judged by a function", () => true, undefined, "http://127.0.0.1:3000/me", true],
  ["loopback, not covered", ["https://api.example.com"], undefined, "http://localhost/me", false],
])("sends the token over plain http only where it says so: %s", (_, origins, base, url, expected) => {
  expect(verdict(originsOf(origins, base), url)).toBe(expected);
});

test.each([
  "http://localhost/",
  "http://localhost:3000/",
  "http://LOCALHOST/",
  "http://api.localhost/",
  "http://a.b.localhost/",
  "http://127.0.0.1/",
  "http://127.255.255.254/",
  "http://127.1/",
  "http://2130706433/",
  "http://0x7f.1/",
  "http://[::1]/",
  "http://[0:0:0:0:0:0:0:1]:3000/",
])("takes for loopback: %s", (url) => {
  expect(
    verdict(
      originsOf(() => true),
      url,
    ),
  ).toBe(true);
});

test.each([
  "http://localhost.evil.com/",
  "http://notlocalhost/",
  "http://127.0.0.1.evil.com/",
  "http://127.evil.com/",
  "http://evil127.0.0.1.com/",
  "http://128.0.0.1/",
  "http://0.0.0.0/",
  "http://10.0.0.1/",
  "http://192.168.0.1/",
  "http://[::]/",
  "http://[::2]/",
  "http://[fe80::1]/",
  "http://localhost@evil.com/",
  "http://loca1host/",
])("does not take for loopback: %s", (url) => {
  expect(
    verdict(
      originsOf(() => true),
      url,
    ),
  ).toBe(plain(new URL(url).origin));
});

test.each<[string, unknown]>([
  ["a promise of true", Promise.resolve(true)],
  ["a promise of false", Promise.resolve(false)],
  ["an origin", "https://api.example.com"],
  ["one", 1],
  ["nothing", undefined],
])("shows the token to nobody where a function answers %s", (_, answer) => {
  expect(originsOf((() => answer) as never)("https://api.example.com/me")).toBe(false);
});

test("asks a function for http and https only, with a parsed URL", () => {
  const asked = vi.fn(({ hostname }: URL) => hostname.endsWith(".example.com"));
  const covers = originsOf(asked);

  const answers = [
    "https://a.example.com/x",
    "https://evil.com/",
    "data:,x",
    "blob:https://a.example.com/1",
    "/x",
  ].map((url) => covers(url));

  expect(answers).toStrictEqual([true, false, false, false, false]);
  expect(asked.mock.calls).toStrictEqual([
    [new URL("https://a.example.com/x")],
    [new URL("https://evil.com/")],
  ]);
});

test.each<[string, Origins | undefined, string | undefined, Record<string, boolean | string>]>([
  [
    "on a page",
    undefined,
    undefined,
    { "/me": true, "https://app.example.com/": true, "//evil.com/": false },
  ],
  ["on a page", undefined, undefined, { "\\\\evil.com/": false, "https://api.example.com/": false }],
  ["on a page, with a relative base", undefined, "/api/", { me: true, "https://evil.com/": false }],
  [
    "on a page, with a base",
    undefined,
    "https://api.example.com",
    { "/me": false, "https://api.example.com/": true },
  ],
  [
    "on a page, with a list",
    ["https://api.example.com"],
    undefined,
    { "/me": false, "https://api.example.com/": true },
  ],
  ["on a page, with an empty list", [], undefined, { "/me": false, "https://app.example.com/": false }],
  ["on a page, with a base that is no page", undefined, "data:,x", { "/me": true }],
])("falls back on the page's own origin: %s", (_, origins, base, expected) => {
  onPage("https://app.example.com/deep/page?x");
  const covers = originsOf(origins, base);

  for (const [url, answer] of Object.entries(expected)) expect(verdict(covers, url), url).toBe(answer);
});

test("sends the token over plain http to the page's own origin", () => {
  onPage("http://intranet/app");

  expect(verdict(originsOf(undefined), "/me")).toBe(true);
  expect(verdict(originsOf(undefined, "/api"), "http://intranet/me")).toBe(true);
  expect(
    verdict(
      originsOf(() => true),
      "http://other/me",
    ),
  ).toBe(plain("http://other"));
});

test.each([undefined, "/api", "data:,x", "not a url"])(
  "refuses to guess where nothing says which origins may see the token: base %s",
  (base) => {
    expect(() => originsOf(undefined, base)).toThrow(new TypeError(NO_ORIGIN));
  },
);

test.each(["about:blank", "file:///index.html", "data:text/html,x", "blob:null/4f"])(
  "refuses to guess on a page without an origin: %s",
  (href) => {
    onPage(href);

    expect(() => originsOf(undefined)).toThrow(new TypeError(NO_ORIGIN));
  },
);

test("covers nothing where the list is empty", () => {
  expect(verdict(originsOf([]), "https://api.example.com/")).toBe(false);
});

test.each([
  ["https://api.example.com/me?token=secret#secret", "https://api.example.com/me"],
  ["https://user:secret@api.example.com:8443/me", "https://api.example.com:8443/me"],
  [new URL("https://api.example.com/?secret"), "https://api.example.com/"],
  ["data:text/plain,secret", "data:"],
  ["/me?secret", "(not a URL)"],
  ["https://[secret", "(not a URL)"],
])("shows %s as %s", (url, shown) => {
  expect(withoutQuery(url)).toBe(shown);
});

test("shows a relative URL on a page as that page's", () => {
  onPage("https://app.example.com/deep/page");

  expect(withoutQuery("me?secret")).toBe("https://app.example.com/deep/me");
});

test("covers no address of a protocol that only ends like http, whatever a function says of it", () => {
  expect(
    verdict(
      originsOf(() => true),
      "x-http://api.example.com/me",
    ),
  ).toBe(false);
});

test("takes no origin from a base of a protocol that only ends like http", () => {
  expect(() => originsOf(undefined, "x-http://api.example.com")).toThrow(new TypeError(NO_ORIGIN));
});
