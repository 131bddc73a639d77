import { createSession } from "@freshtoken/core";
import { afterEach, expect, test, vi } from "vitest";
import { createClock } from "./support.ts";

type Origins = Parameters<ReturnType<typeof sessionWith>["connect"]>[0];

function sessionWith(origins?: readonly string[] | ((url: URL) => boolean)) {
  return createSession({ refresh: async () => null, clock: createClock(), origins });
}

function covers(url: string | URL, options: Origins = {}): boolean {
  return sessionWith()
    .connect({ base: "https://api.example.com/v1/", ...options })
    .covers(url);
}

afterEach(() => vi.unstubAllGlobals());

test.each([
  "https://api.example.com",
  "https://api.example.com/",
  "https://api.example.com/elsewhere?query#fragment",
  "https://api.example.com:443/",
  "https://api.example.com:0443/",
  "HTTPS://API.Example.COM/me",
  "https:api.example.com/me",
  "https:\\\\api.example.com\\me",
  "https://api.example.com\\@evil.test/",
  "https://user:password@api.example.com/",
  "https://evil.test@api.example.com/",
  "https://api.example。com/",
  "https://ａｐｉ.example.com/",
  " https://api.example.com/me ",
  "https://api.exam\tple.com/me",
  "https://%61pi.example.com/me",
])("shows the token to %j", (url) => {
  expect(covers(url)).toBe(true);
  expect(covers(url, { origins: ["https://api.example.com"] })).toBe(true);
});

test.each([
  "https://api.example.com.evil.test/",
  "https://api.example.comevil.test/",
  "https://evil.test/https://api.example.com/",
  "https://evil.test?https://api.example.com",
  "https://evil.test#@api.example.com",
  "https://api.example.com@evil.test/",
  "https://api.example.com:443@evil.test/",
  "https://evil.test\\@api.example.com/",
  "https://api.example.com%2eevil.test/",
  "https://api.example.com\t.evil.test/",
  "https://api.example.com:8443/",
  "https://api.example.com./",
  "https://example.com/",
  "https://www.api.example.com/",
  "https://аpi.example.com/",
  "http://api.example.com/",
  "wss://api.example.com/",
  "ftp://api.example.com/",
  "blob:https://api.example.com/0f1e",
  "data:text/plain,https://api.example.com/",
  "javascript:fetch('https://api.example.com/')",
  "file://api.example.com/",
  "//api.example.com/me",
  "//evil.test/me",
  "\\\\evil.test\\me",
  "/me",
  "",
  "https://",
  "null",
])("does not show the token to %j", (url) => {
  expect(covers(url)).toBe(false);
  expect(covers(url, { origins: ["https://api.example.com"] })).toBe(false);
});

test("takes a URL as well as a string", () => {
  expect(covers(new URL("https://api.example.com/me"))).toBe(true);
  expect(covers(new URL("https://evil.test/me"))).toBe(false);
});

test.each([
  "http://localhost:3000/",
  "http://app.localhost/",
  "http://127.0.0.1/",
  "http://127.9.9.9:8080/",
  "http://127.1/",
  "http://0x7f.1/",
  "http://[::1]:3000/",
])("shows the token to loopback over http: %s", (url) => {
  expect(covers(url, { base: url })).toBe(true);
  expect(covers(url, { origins: () => true })).toBe(true);
});

test.each([
  "http://api.example.com/",
  "http://localhost.evil.test/",
  "http://127.0.0.1.evil.test/",
  "http://notlocalhost/",
  "http://128.0.0.1/",
  "http://10.0.0.1/",
  "http://[::2]/",
])("refuses to send the token to %s over http, and says so", (url) => {
  const { origin } = new URL(url);
  const message = `The token is not sent to ${origin} over plain http: use https:, or list "${origin}" in \`origins\``;

  expect(() => covers(`${url}me?query`, { base: url })).toThrow(new TypeError(message));
  expect(() => covers(`${url}me?query`, { origins: () => true })).toThrow(new TypeError(message));
});

test("shows the token over http to an origin that is listed literally", () => {
  const origins = ["http://api.example.com:8080"];

  expect(covers("http://api.example.com:8080/me", { origins })).toBe(true);
  expect(covers("https://api.example.com:8080/me", { origins })).toBe(false);
});

test("shows the token over http to the page's own origin", () => {
  vi.stubGlobal("location", new URL("http://app.example.com/start"));
  const connection = sessionWith().connect();

  expect(["/me", "me?a", "http://app.example.com/me"].map(connection.covers)).toStrictEqual([
    true,
    true,
    true,
  ]);
  expect(connection.covers("//evil.test/me")).toBe(false);
});

test("takes the client's origins before the session's, the base URL's and the page's", () => {
  vi.stubGlobal("location", new URL("https://page.test/"));
  const names = ["client", "session", "base", "page"];
  const covered = (connection: { covers(url: string): boolean }) =>
    names.filter((name) => connection.covers(`https://${name}.test/`));
  const session = sessionWith(["https://session.test"]);
  const base = "https://base.test/v1";

  expect([
    covered(session.connect({ origins: ["https://client.test"], base })),
    covered(session.connect({ base })),
    covered(sessionWith().connect({ base })),
    covered(sessionWith().connect()),
  ]).toStrictEqual([["client"], ["session"], ["base"], ["page"]]);
});

test("resolves a relative base URL against the page", () => {
  vi.stubGlobal("location", new URL("https://page.test/app/"));

  expect(covers("/me", { base: "/v1" })).toBe(true);
  expect(covers("https://api.example.com/me", { base: "/v1" })).toBe(false);
});

test("judges a relative URL by the base that the document names, where a client sends it", () => {
  vi.stubGlobal("location", new URL("https://page.test/app/"));
  vi.stubGlobal("document", { baseURI: "https://elsewhere.test/" });

  const { covers } = sessionWith().connect();

  expect([covers("/me"), covers("https://page.test/me")]).toStrictEqual([false, true]);
});

test.each([undefined, "/v1", "", "data:,", "//api.example.com"])(
  "throws a TypeError that names the option where nothing says which origins: base %j",
  (base) => {
    expect(() => sessionWith().connect({ ...(base !== undefined && { base }) })).toThrow(
      new TypeError(
        'Nothing says which origins may see the token: give `origins`, for example ["https://api.example.com"]',
      ),
    );
  },
);

test("shows the token to nobody where the list of origins is empty", () => {
  expect(covers("https://api.example.com/", { origins: [] })).toBe(false);
});

test("asks a function of origins with the parsed URL, and never for what is not http", () => {
  const asked: string[] = [];
  const origins = (url: URL) => {
    asked.push(url.href);
    return url.hostname.endsWith(".example.com");
  };

  const urls = ["https://A.example.com", "https://evil.test/.example.com", "data:,x", "/me"];

  expect(urls.map((url) => covers(url, { origins }))).toStrictEqual([true, false, false, false]);
  expect(asked).toStrictEqual(["https://a.example.com/", "https://evil.test/.example.com"]);
});

test.each([
  ["https://api.example.com/v1", '"https://api.example.com/v1"'],
  ["https://api.example.com?x", '"https://api.example.com?x"'],
  ["https://user@api.example.com", '"https://user@api.example.com"'],
  ["https://*.example.com", '"https://*.example.com"'],
  ["api.example.com", '"api.example.com"'],
  ["//api.example.com", '"//api.example.com"'],
  ["wss://api.example.com", '"wss://api.example.com"'],
  ["null", '"null"'],
  ["", '""'],
  [7, "number"],
])("throws a TypeError that names what is no origin: %j", (value, shown) => {
  const origins = ["https://api.example.com", value as string];
  const message = `\`origins\` lists origins such as "https://api.example.com", not ${shown}`;

  expect(() => sessionWith(origins)).toThrow(new TypeError(message));
  expect(() => sessionWith().connect({ origins })).toThrow(new TypeError(message));
});

test.each([
  ["https://api.example.com", "a string"],
  [{}, "an object"],
  [null, "null"],
])("throws a TypeError that names `origins` and what arrived: %j", (value, shown) => {
  const origins = value as never;
  const message = `\`origins\` is a list such as ["https://api.example.com"], or a function of a URL, not ${shown}`;

  expect(() => sessionWith(origins)).toThrow(new TypeError(message));
  expect(() => sessionWith().connect({ origins })).toThrow(new TypeError(message));
});
