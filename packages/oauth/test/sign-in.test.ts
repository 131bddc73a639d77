import { createSession } from "@freshtoken/core";
import { entriesAt } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { real, visit } from "./loopback.ts";
import { METADATA, metadataOf, scripted } from "./support.ts";

const wire = { access_token: "a0", token_type: "Bearer", expires_in: 60, refresh_token: "r0" };

test("asks for a code with PKCE, a state and a nonce", async () => {
  const { oauth } = scripted({ scope: "openid offline_access", resource: ["urn:a", "urn:b"] });

  const { url, pending } = await oauth.authorizationUrl({ parameters: { login_hint: "alice" } });

  const { origin, pathname, searchParams } = new URL(url);
  expect(origin + pathname).toBe("https://server.test/authorize");
  expect([...searchParams]).toStrictEqual([
    ["login_hint", "alice"],
    ["scope", "openid offline_access"],
    ["response_type", "code"],
    ["client_id", "web"],
    ["redirect_uri", "https://app.test/callback"],
    ["state", pending.state],
    ["nonce", pending.nonce],
    ["code_challenge", expect.stringMatching(/^[\w-]{43}$/)],
    ["code_challenge_method", "S256"],
    ["resource", "urn:a"],
    ["resource", "urn:b"],
  ]);
  expect(url).not.toContain(pending.codeVerifier);
});

test("makes a new state, nonce and code verifier for every sign-in", async () => {
  const { oauth } = scripted({ scope: "openid" });

  const begun = [await oauth.authorizationUrl(), await oauth.authorizationUrl()];

  const secrets = begun.flatMap(({ pending }) => [pending.state, pending.nonce, pending.codeVerifier]);
  expect(new Set(secrets).size).toBe(6);
});

test("keeps what the authorization endpoint has in its query, save what it has to say itself", async () => {
  const { server, oauth } = scripted();
  const endpoint = "https://server.test/authorize?tenant=1&response_type=token";
  server.next(METADATA, { json: { ...metadataOf(server), authorization_endpoint: endpoint } });

  const { searchParams } = new URL((await oauth.authorizationUrl()).url);

  expect([searchParams.getAll("tenant"), searchParams.getAll("response_type")]).toStrictEqual([
    ["1"],
    ["code"],
  ]);
});

test("lets parameters replace the scope, and nothing that guards the sign-in", async () => {
  const { oauth } = scripted({ scope: "openid" });
  const forged = { state: "s", nonce: "n", response_type: "token", redirect_uri: "https://evil.test" };

  const { url, pending } = await oauth.authorizationUrl({ parameters: { scope: "read", ...forged } });

  expect(Object.fromEntries(new URL(url).searchParams)).toMatchObject({
    scope: "read",
    state: pending.state,
    response_type: "code",
    redirect_uri: "https://app.test/callback",
  });
});

test("leaves out a parameter that is undefined or null", async () => {
  const { oauth } = scripted({ scope: "read" });
  const user: { email?: string } = {};
  const parameters = { login_hint: user.email, scope: undefined, prompt: null as unknown as string };

  const { searchParams } = new URL((await oauth.authorizationUrl({ parameters })).url);

  expect(["login_hint", "scope", "prompt"].map((name) => searchParams.get(name))).toStrictEqual([
    null,
    "read",
    null,
  ]);
});

test("returns a pending sign-in that survives storage", async () => {
  const { oauth } = scripted({ scope: "openid" });

  const { pending } = await oauth.authorizationUrl({ returnTo: "/orders?page=2#last" });

  expect(JSON.parse(JSON.stringify(pending))).toStrictEqual(pending);
  expect(pending).toStrictEqual({
    issuer: "https://server.test",
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    codeVerifier: expect.stringMatching(/^[\w-]{43}$/),
    redirectUri: "https://app.test/callback",
    returnTo: "/orders?page=2#last",
  });
});

test("exchanges the code exactly as RFC 6749 §4.1.3 has it, with the code verifier and the resource", async () => {
  const { server, oauth } = scripted({ resource: "urn:a" });
  const { pending } = await oauth.authorizationUrl({ returnTo: "/orders" });
  server.next("token", { json: wire });

  const authorized = await oauth.exchange(`/callback?code=c0&state=${pending.state}#top`, pending);

  expect(authorized).toStrictEqual({ tokens: { ...wire, token_type: "bearer" }, returnTo: "/orders" });
  const [{ body } = { body: undefined }] = entriesAt(server.log, "token");
  expect(Object.fromEntries(new URLSearchParams(new TextDecoder().decode(body)))).toStrictEqual({
    grant_type: "authorization_code",
    client_id: "web",
    code: "c0",
    redirect_uri: "https://app.test/callback",
    code_verifier: pending.codeVerifier,
    resource: "urn:a",
  });
});

test("signs in at a real authorization server, with an ID token, and returns to where the user was", async () => {
  const { server, oauth } = await real();
  const { callback, pending } = await visit(oauth, server, { returnTo: "/orders" });
  const session = createSession({ ...oauth.session() });

  const { tokens, returnTo } = await oauth.exchange(callback.href, pending);
  await session.signIn(tokens);

  expect(returnTo).toBe("/orders");
  expect(tokens).toStrictEqual({
    access_token: expect.any(String),
    refresh_token: expect.any(String),
    id_token: expect.any(String),
    token_type: "bearer",
    expires_in: 60,
    scope: "openid",
  });
  const { accessToken } = await session.tokens();
  const answer = await fetch(`${server.api}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  expect(await answer.json()).toStrictEqual({ account: "alice", path: "/me" });
});

test("signs in without OpenID where the scope has none", async () => {
  const { server, oauth } = await real({ scope: "api" });
  const { callback, pending } = await visit(oauth, server);

  const { tokens } = await oauth.exchange(callback, pending);

  expect(tokens).toMatchObject({ refresh_token: expect.any(String), scope: "api" });
  expect([tokens.id_token, pending.nonce]).toStrictEqual([undefined, undefined]);
});

test("needs a redirectUri to sign in", async () => {
  const { oauth } = scripted({ redirectUri: undefined });

  await expect(oauth.authorizationUrl()).rejects.toThrow(new TypeError("`redirectUri` cannot be undefined"));
});

test("needs an authorization endpoint to sign in", async () => {
  const { oauth } = scripted({ server: { token_endpoint: "https://server.test/token" } });

  await expect(oauth.authorizationUrl()).rejects.toMatchObject({ code: "ERR_METADATA_INVALID" });
});
