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

const issuer = "`issuer` is an https: URL, or an http: one on loopback, not";
const resource = "`resource` is absolute, and without a fragment, not";

test.each([
  [{ issuer: "http://login.example.com" }, `${issuer} http://login.example.com`],
  [{ issuer: "http://127.0.0.1.evil.test" }, `${issuer} http://127.0.0.1.evil.test`],
  [{ issuer: "http://localhost.evil.test" }, `${issuer} http://localhost.evil.test`],
  [{ issuer: "http://evil-localhost" }, `${issuer} http://evil-localhost`],
  [{ issuer: "http://127.0.0.1@evil.test" }, `${issuer} http://evil.test`],
  [{ issuer: "login.example.com" }, `${issuer} string`],
  [{ issuer: "ftp://localhost" }, `${issuer} ftp://localhost`],
  [{ issuer: undefined }, `${issuer} undefined`],
  [{ issuer: ["https://login.example.com"] }, `${issuer} object`],
  [{ clientId: "" }, "`clientId` is a text, not string"],
  [{ clientId: 7 }, "`clientId` is a text, not number"],
  [{ redirectUri: "/callback" }, "`redirectUri` is an absolute URL, not string"],
  [{ resource: "/api" }, `${resource} string`],
  [{ resource: "https://api.example.com#top" }, `${resource} https://api.example.com`],
  [{ resource: ["urn:a", 7] }, `${resource} object`],
  [{ clientAuthentication: "secret" }, "`clientAuthentication` is a function, not string"],
  [{ dpop: true }, "`dpop` is made by dpop(), not boolean"],
  [{ dpop: { key: {} } }, "`dpop` is made by dpop(), not object"],
  [{ fetch: {} }, "`fetch` is a function, not object"],
])("refuses %j, naming the option and what arrived", (options, message) => {
  expect(() => createOAuth({ ...good, ...options } as OAuthOptions)).toThrow(new TypeError(message));
});

test("refuses to be made without options", () => {
  expect(() => createOAuth(undefined as unknown as OAuthOptions)).toThrow(
    new TypeError(`${issuer} undefined`),
  );
});
