import { expect, test } from "vitest";
import { createOAuth, type OAuthOptions } from "../src/index.ts";

const good: OAuthOptions = { issuer: "https://login.example.com", clientId: "spa" };

test.each([
  { issuer: "https://login.example.com/tenant/" },
  { issuer: "http://127.0.0.1:3000" },
  { issuer: "http://localhost" },
  { issuer: "http://as.localhost:80" },
  { issuer: "http://[::1]:3000" },
  { redirectUri: "com.example.app:/callback" },
  { redirectUri: undefined, resource: undefined, fetch: undefined, clientAuthentication: undefined },
  { dpop: undefined },
  { resource: "urn:example:api" },
  { resource: ["https://a.example.com", "https://b.example.com/v1?x=1"] },
])("takes %j", (options) => {
  expect(Object.keys(createOAuth({ ...good, ...options }))).toStrictEqual([
    "session",
    "clientCredentials",
    "authorizationUrl",
    "exchange",
  ]);
});

const arrived: readonly [Record<string, unknown>, string][] = [
  [{ issuer: "http://login.example.com" }, "http://login.example.com"],
  [{ issuer: "http://127.0.0.1.evil.test" }, "http://127.0.0.1.evil.test"],
  [{ issuer: "http://localhost.evil.test" }, "http://localhost.evil.test"],
  [{ issuer: "http://evil-localhost" }, "http://evil-localhost"],
  [{ issuer: "http://127.0.0.1@evil.test" }, "http://evil.test"],
  [{ issuer: "http://evil.test/x.localhost/" }, "http://evil.test"],
  [{ issuer: "https://admin:secret@login.example.com" }, "https://login.example.com"],
  [{ issuer: "http://admin@localhost" }, "http://localhost"],
  [{ issuer: "login.example.com" }, "string"],
  [{ issuer: "ftp://localhost" }, "ftp://localhost"],
  [{ issuer: undefined }, "undefined"],
  [{ issuer: ["https://login.example.com"] }, "object"],
  [{ clientId: "" }, "string"],
  [{ clientId: 7 }, "number"],
  [{ redirectUri: "/callback" }, "string"],
  [{ redirectUri: "https://app.test/#/callback" }, "https://app.test"],
  [{ scope: ["openid"] }, "object"],
  [{ scope: 7 }, "number"],
  [{ resource: "/api" }, "string"],
  [{ resource: "https://api.example.com#top" }, "https://api.example.com"],
  [{ resource: ["urn:a", 7] }, "object"],
  [{ clientAuthentication: "secret" }, "string"],
  [{ client: "web" }, "string"],
  [{ server: "https://login.example.com" }, "https://login.example.com"],
  [{ dpop: true }, "boolean"],
  [{ dpop: { key: {} } }, "object"],
  [{ fetch: {} }, "object"],
  [{ redirect_uri: "https://app.test/callback" }, "https://app.test"],
];

test.each(arrived)("refuses %j, naming the option and what arrived", (options, kind) => {
  const [name] = Object.keys(options);

  expect(() => createOAuth({ ...good, ...options } as OAuthOptions)).toThrow(
    new TypeError(`\`${name}\` cannot be ${kind}`),
  );
});

test("refuses to be made without options", () => {
  expect(() => createOAuth(undefined as unknown as OAuthOptions)).toThrow(
    new TypeError("`issuer` cannot be undefined"),
  );
});
