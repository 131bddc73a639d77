import { createSession } from "@freshtoken/core";
import { createClock, type Fault, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { createOAuth, type PendingAuthorization } from "../src/index.ts";
import { real, visit } from "./loopback.ts";
import { METADATA, metadataOf, outcomeOf, scripted, unsigned } from "./support.ts";

const wire = { access_token: "a0", token_type: "Bearer", expires_in: 60, refresh_token: "r0" };

type Callback = (pending: PendingAuthorization) => string;
const untrusted: readonly [string, Callback][] = [
  ["with the state of another sign-in", () => "?code=c0&state=another"],
  ["without a state", () => "?code=c0"],
  ["with two states", ({ state }) => `?code=c0&state=${state}&state=${state}`],
  ["of another issuer", ({ state }) => `?code=c0&state=${state}&iss=https://evil.test`],
  ["without a code", ({ state }) => `?state=${state}`],
  ["with two codes", ({ state }) => `?code=c0&code=c1&state=${state}`],
  ["with an error and another state", () => "?error=access_denied&state=another"],
  ["with its parameters in the fragment", ({ state }) => `#code=c0&state=${state}`],
  ["that brings a token", ({ state }) => `?code=c0&state=${state}&token=a0`],
  ["that is none", () => "http://["],
];

test.each(untrusted)("refuses a callback %s, and exchanges nothing", async (_, callback) => {
  const { server, oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();

  const refused = await outcomeOf(oauth.exchange(callback(pending), pending));

  expect(refused).toMatchObject({
    name: "OAuthError",
    code: "ERR_CALLBACK_INVALID",
    message: "The callback is unusable: see the cause. Begin a new sign-in",
  });
  expect(ledger(server.log).attempts).toBe(0);
});

test("refuses a callback without iss where the server says that it sends it", async () => {
  const { server, oauth } = scripted();
  const promise = { authorization_response_iss_parameter_supported: true };
  server.next(METADATA, { json: { ...metadataOf(server), ...promise } });
  const { pending } = await oauth.authorizationUrl();

  const refused = oauth.exchange(`?code=c0&state=${pending.state}`, pending);

  await expect(refused).rejects.toMatchObject({ code: "ERR_CALLBACK_INVALID" });
});

const stateless = { issuer: "https://server.test", codeVerifier: "v".repeat(43), returnTo: "/" };

test.each([
  null,
  undefined,
  {},
  "text",
  stateless,
  { ...stateless, state: "" },
  { ...stateless, state: null },
  { ...stateless, state: "s", codeVerifier: "" },
])("refuses a callback when the pending sign-in is %j", async (pending) => {
  const { server, oauth } = scripted();

  const refused = oauth.exchange("?code=c0&state=s", pending as unknown as PendingAuthorization);

  await expect(refused).rejects.toMatchObject({ code: "ERR_CALLBACK_INVALID" });
  expect(ledger(server.log).attempts).toBe(0);
});

test("refuses to end a sign-in that began at another issuer", async () => {
  const { server, oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();
  const evil = { authorization_endpoint: "https://evil.test/a", token_endpoint: "https://evil.test/token" };
  const given = { server: evil, fetch: server.fetch };
  const other = createOAuth({ issuer: "https://evil.test", clientId: "web", ...given });

  const refused = other.exchange(`?code=c0&state=${pending.state}`, pending);

  await expect(refused).rejects.toMatchObject({ code: "ERR_CALLBACK_INVALID" });
  expect(ledger(server.log).attempts).toBe(0);
});

test("tells what the server refused a sign-in with", async () => {
  const { oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();

  const refused = await outcomeOf(oauth.exchange(`?error=access_denied&state=${pending.state}`, pending));

  expect(refused).toMatchObject({
    name: "OAuthError",
    code: "ERR_AUTHORIZATION_REFUSED",
    error: "access_denied",
    message: "The sign-in was refused. Tell the user (access_denied)",
  });
});

test.each([
  ["a sign-in", (state: string) => `?error=c0%2D7Fj2&state=${state}`, "ERR_AUTHORIZATION_REFUSED"],
  ["a code", (state: string) => `?code=c0&state=${state}`, "ERR_TOKEN_REQUEST_FAILED"],
])("gives no error code where the server refuses %s with what is none", async (_, callback, code) => {
  const { server, oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();
  server.next("token", { status: 400, json: { error: "code c0-7Fj2 is not known" } });

  const refused = await outcomeOf(oauth.exchange(callback(pending.state), pending));

  expect(refused).toMatchObject({ code, error: undefined });
});

const refusals: readonly [Fault, object][] = [
  [{ error: "invalid_grant" }, { status: 400, error: "invalid_grant" }],
  [
    { error: "invalid_client", headers: { "www-authenticate": "Basic" } },
    { status: 401, error: "invalid_client" },
  ],
  [{ status: 503 }, { status: 503 }],
  [{ status: 400, json: { error: { type: "OAuthException" } } }, { status: 400 }],
  [{ status: 302, headers: { location: "/elsewhere" } }, { status: 302 }],
  [{ reset: "before" }, { cause: { code: "ECONNRESET" } }],
];

test.each(refusals)("tells how the token endpoint refused a code: %j", async (fault, evidence) => {
  const { server, oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();
  server.next("token", fault);

  const refused = await outcomeOf(oauth.exchange(`?code=c0&state=${pending.state}`, pending));

  expect(refused).toMatchObject({ name: "OAuthError", code: "ERR_TOKEN_REQUEST_FAILED", ...evidence });
  expect(String(refused)).toMatch(
    /^OAuthError: The code was not exchanged. Begin a new sign-in(?: \(\w+\))?$/,
  );
});

test.each([
  ["openid", wire],
  ["openid", { ...wire, id_token: "e30.e30.e30" }],
  ["read", { ...wire, access_token: undefined }],
  ["read", { ...wire, access_token: 1 }],
  ["read", { ...wire, token_type: undefined }],
  ["read", { ...wire, token_type: "mac" }],
  ["read", { ...wire, token_type: "DPoP" }],
  ["read", { ...wire, refresh_token: 1 }],
  ["read", { ...wire, expires_in: "soon" }],
  ["read", [wire]],
  ["read", null],
])("refuses a token response of the wrong shape, with the scope %s: %j", async (scope, json) => {
  const { server, oauth } = scripted({ scope });
  const { pending } = await oauth.authorizationUrl();
  server.next("token", { json });

  const refused = await outcomeOf(oauth.exchange(`?code=c0&state=${pending.state}`, pending));

  expect(refused).toMatchObject({
    name: "OAuthError",
    code: "ERR_TOKEN_RESPONSE_INVALID",
    cause: expect.any(Error),
    message: "The tokens are unusable: see the cause. Begin a new sign-in",
  });
});

test("refuses an ID token that was made for another sign-in", async () => {
  const { server, oauth } = await real();
  const { callback, pending } = await visit(oauth, server);

  const refused = oauth.exchange(callback, { ...pending, nonce: "another" });

  await expect(refused).rejects.toMatchObject({
    code: "ERR_TOKEN_RESPONSE_INVALID",
    cause: { message: 'unexpected ID Token "nonce" claim value' },
  });
});

test("refuses an ID token without a nonce where storage has lost that of the sign-in", async () => {
  const { server, oauth } = scripted({ scope: "openid" });
  const { pending } = await oauth.authorizationUrl();
  const id_token = unsigned({ iss: pending.issuer, aud: "web" });
  server.next("token", { json: { ...wire, id_token } });

  const refused = oauth.exchange(`?code=c0&state=${pending.state}`, { ...pending, nonce: "" });

  await expect(refused).rejects.toMatchObject({ code: "ERR_TOKEN_RESPONSE_INVALID" });
});

test("refuses a code that was used before, and a wrong code verifier, at a real authorization server", async () => {
  const { server, oauth } = await real();
  const [used, stolen] = [await visit(oauth, server), await visit(oauth, server)];
  await oauth.exchange(used.callback, used.pending);

  const refused = [
    await outcomeOf(oauth.exchange(used.callback, used.pending)),
    await outcomeOf(oauth.exchange(stolen.callback, { ...stolen.pending, codeVerifier: "v".repeat(43) })),
  ];

  const error = { code: "ERR_TOKEN_REQUEST_FAILED", error: "invalid_grant", status: 400 };
  expect(refused).toMatchObject([error, error]);
});

test("harms no session by a sign-in that fails", async () => {
  const { server, oauth } = scripted();
  const session = createSession({ ...oauth.session(), clock: createClock() });
  await session.signIn(server.signIn());
  const { pending } = await oauth.authorizationUrl();
  const before = session.state;

  await outcomeOf(oauth.exchange("?code=c0&state=another", pending));

  expect(session.state).toBe(before);
  await session.refresh();
  expect(ledger(server.log)).toMatchObject({ attempts: 1, refreshes: 1, reuses: 0 });
});

test("exchanges a code once for calls that are made together, as frameworks do that run effects twice", async () => {
  const { server, oauth } = await real();
  const { callback, pending } = await visit(oauth, server);

  const [first, second] = await Promise.all([
    oauth.exchange(callback, pending),
    oauth.exchange(callback, { ...pending }),
  ]);
  const session = createSession({ ...oauth.session(), tokens: first.tokens });
  await session.refresh();

  expect(second).toStrictEqual(first);
  expect(server.ledger.revocations).toStrictEqual([]);
});

test.each([
  ["another pending sign-in", "c0", { codeVerifier: "v".repeat(43) }],
  ["another callback", "c1", {}],
])("shares no exchange with %s", async (_, code, other) => {
  const { server, oauth } = scripted();
  const { pending } = await oauth.authorizationUrl();
  server.always("token", { json: wire });

  await Promise.all([
    oauth.exchange(`?code=c0&state=${pending.state}`, pending),
    oauth.exchange(`?code=${code}&state=${pending.state}`, { ...pending, ...other }),
  ]);

  expect(ledger(server.log).attempts).toBe(2);
});
