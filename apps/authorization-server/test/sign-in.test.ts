import { expect, test } from "vitest";
import { signIn, startAuthorizationServer } from "../src/index.ts";
import { call } from "./token-endpoint.ts";

test("signs in by authorization code and PKCE", async () => {
  await using server = await startAuthorizationServer();

  const tokens = await signIn(server, { account: "alice" });

  expect(tokens).toStrictEqual({
    access_token: expect.any(String),
    refresh_token: expect.any(String),
    id_token: expect.any(String),
    token_type: "bearer",
    expires_in: 5,
    scope: "openid",
  });
});

test("signs in without OpenID where the scope has none", async () => {
  await using server = await startAuthorizationServer();

  const tokens = await signIn(server, { account: "alice", scope: "api" });

  expect(tokens).toMatchObject({ refresh_token: expect.any(String), scope: "api" });
  expect(tokens.id_token).toBeUndefined();
});

test("signs in one account beside another", async () => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });

  const [alice, bob] = await Promise.all(["alice", "bob"].map((account) => signIn(server, { account })));

  const answers = [alice, bob].map((tokens) => call(server, "/me", tokens?.access_token ?? ""));
  expect(await Promise.all(answers.map(async (answer) => (await answer).json()))).toStrictEqual([
    { account: "alice", path: "/me" },
    { account: "bob", path: "/me" },
  ]);
});

test("signs in one account after another in one browser, and the first again", async () => {
  await using server = await startAuthorizationServer({ accessTokenLifetime: 60 });
  const cookies = new Map<string, string>();
  const accounts: unknown[] = [];

  for (const account of ["alice", "bob", "alice", "alice"]) {
    const { access_token } = await signIn(server, { account, cookies });
    accounts.push(await (await call(server, "/me", access_token)).json());
  }

  expect(accounts).toMatchObject([
    { account: "alice" },
    { account: "bob" },
    { account: "alice" },
    { account: "alice" },
  ]);
});

test("refuses to sign in what is no account", async () => {
  await using server = await startAuthorizationServer();

  const refused = signIn(server, { account: "Nobody Here" });

  await expect(refused).rejects.toMatchObject({ error: "access_denied" });
});

test("names the page where a sign-in ends without a code", async () => {
  await using server = await startAuthorizationServer();

  const refused = signIn({ ...server, clientId: "unknown" }, { account: "alice" });

  await expect(refused).rejects.toThrow("The sign-in ended at /auth with status 400.");
});

test("demands a code challenge", async () => {
  await using server = await startAuthorizationServer();
  const request = new URL(`${server.issuer}/auth?response_type=code&scope=openid`);
  request.searchParams.set("client_id", server.clientId);
  request.searchParams.set("redirect_uri", server.redirectUri);

  const response = await fetch(request, { redirect: "manual" });

  const callback = new URL(response.headers.get("location") ?? "");
  expect(Object.fromEntries(callback.searchParams)).toMatchObject({ error: "invalid_request" });
  expect(callback.searchParams.get("error_description")).toContain("PKCE");
});

test("publishes where everything is", async () => {
  await using server = await startAuthorizationServer();

  const metadata = await (await fetch(`${server.issuer}/.well-known/openid-configuration`)).json();

  expect(metadata).toMatchObject({
    issuer: server.issuer,
    authorization_endpoint: `${server.issuer}/auth`,
    token_endpoint: `${server.issuer}/token`,
    revocation_endpoint: `${server.issuer}/token/revocation`,
    introspection_endpoint: `${server.issuer}/token/introspection`,
    code_challenge_methods_supported: ["S256"],
  });
});
