import { createSession } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createClock, entriesAt, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { ClientSecretBasic, type OAuthOptions } from "../src/index.ts";
import { real } from "./loopback.ts";
import { account, formsAt, scripted } from "./support.ts";

const json = { access_token: "s0", token_type: "Bearer", expires_in: 3600 };

const clients = [
  {
    client_id: "service",
    client_secret: "secret",
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["client_credentials"],
    id_token_signed_response_alg: "ES256",
    response_types: [],
    redirect_uris: [],
  },
];

const service: Partial<OAuthOptions> = {
  clientId: "service",
  clientAuthentication: ClientSecretBasic("secret"),
  scope: "api",
};

test("signs a service in as itself, and asks again when its token is refused", async () => {
  const { server, oauth } = await real(service, { clients });
  const grant = oauth.clientCredentials();
  const session = createSession({ ...grant, origins: [server.api] });
  const authorized = sessionFetch(session);

  const first = await authorized(`${server.api}/me`);
  await grant.revoke(await session.tokens());
  const second = await authorized(`${server.api}/me`);

  const answer = { account: "service", path: "/me" };
  expect([await first.json(), await second.json()]).toStrictEqual([answer, answer]);
  expect(session.state).toMatchObject({ status: "signedIn", tokens: { scope: "api" } });
});

test("asks exactly as RFC 6749 §4.4.2 has it, with the scope and the resource, and without a refresh token", async () => {
  const { server, oauth } = scripted({ ...service, resource: "urn:a" });
  server.always("token", { json: { ...json, refresh_token: "r0" } });
  const session = createSession({ ...oauth.clientCredentials(), clock: createClock() });

  await session.tokens();
  await session.refresh();

  const form = [
    ["scope", "api"],
    ["resource", "urn:a"],
    ["grant_type", "client_credentials"],
  ];
  expect(formsAt(server, "token")).toStrictEqual([form, form]);
  expect(entriesAt(server.log, "token")[0]?.headers.authorization).toMatch(/^Basic /);
});

test("asks once for all who begin together", async () => {
  const { server, oauth } = scripted(service);
  server.always("token", { json });
  const session = createSession({ ...oauth.clientCredentials(), clock: createClock() });

  const given = await Promise.all(Array.from({ length: 10 }, () => session.tokens()));

  expect(new Set(given.map(({ accessToken }) => accessToken))).toStrictEqual(new Set(["s0"]));
  expect(ledger(server.log)).toStrictEqual(account({ attempts: 1, requests: 1, answers: 1 }));
});

test.each([
  { error: "invalid_client" },
  { error: "invalid_grant" },
  { status: 403, json: {} },
  { status: 503 },
])("never ends a service's session: it asks again after %j", async (fault) => {
  const { server, oauth } = scripted(service);
  server.always("token", { json });
  const options = { clock: createClock(), refreshAttempts: 1 };
  const session = createSession({ ...oauth.clientCredentials(), ...options });
  await session.tokens();
  server.next("token", fault);

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });

  expect(session.state).toMatchObject({ status: "signedIn", tokens: { accessToken: "s0" } });
  await session.refresh();
  expect(entriesAt(server.log, "token").map(({ status }) => status)).toHaveLength(3);
});

test.each([{ error: "invalid_client" }, { status: 403, json: {} }, { status: 503 }])(
  "begins with the next request where the first is answered %j",
  async (fault) => {
    const clock = createClock();
    const { server, oauth } = scripted(service);
    server.always("token", { json });
    server.next("token", fault);
    const session = createSession({ ...oauth.clientCredentials(), clock, refreshAttempts: 1 });

    await expect(session.tokens()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });
    await clock.advance(1_000);

    expect(await session.tokens()).toMatchObject({ accessToken: "s0" });
  },
);
