import * as oauth from "oauth4webapi";
import { expect, onTestFinished, test } from "vitest";
import { type AuthorizationServer, startAuthorizationServer } from "../src/index.ts";
import { call } from "./token-endpoint.ts";

const service = {
  client_id: "service",
  client_secret: "secret",
  token_endpoint_auth_method: "client_secret_basic",
  id_token_signed_response_alg: "ES256",
  grant_types: ["client_credentials"],
  response_types: [],
  redirect_uris: [],
};

async function started(): Promise<AuthorizationServer> {
  const server = await startAuthorizationServer({ accessTokenLifetime: 60, clients: [service] });
  onTestFinished(() => server.close());
  return server;
}

function credentials({ issuer }: AuthorizationServer, clientSecret: string): Promise<Response> {
  return oauth.clientCredentialsGrantRequest(
    { issuer, token_endpoint: `${issuer}/token` },
    { client_id: "service" },
    oauth.ClientSecretBasic(clientSecret),
    { scope: "api" },
    { [oauth.allowInsecureRequests]: true },
  );
}

test("lets a further client in as itself, and knows it by its client id", async () => {
  const server = await started();

  const tokens = (await (await credentials(server, "secret")).json()) as { access_token: string };
  const answer = await call(server, "/me", tokens.access_token);

  expect(tokens).toStrictEqual({
    access_token: expect.any(String),
    token_type: "Bearer",
    expires_in: 60,
    scope: "api",
  });
  expect(await answer.json()).toStrictEqual({ account: "service", path: "/me" });
});

test("does not believe a further client with another secret", async () => {
  const server = await started();

  const answer = await credentials(server, "another");

  expect([answer.status, await answer.json()]).toMatchObject([401, { error: "invalid_client" }]);
});
