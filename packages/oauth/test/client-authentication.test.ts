import { createSession } from "@freshtoken/core";
import { createGate, entriesAt, ledger } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import {
  ClientSecretBasic,
  ClientSecretPost,
  None,
  type OAuthOptions,
  PrivateKeyJwt,
  TlsClientAuth,
} from "../src/index.ts";
import { real, signedIn } from "./loopback.ts";
import { account, begin, formsAt, METADATA, metadataOf, scripted } from "./support.ts";

const clientSecret = "a:b+c %/z";
const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
  "sign",
  "verify",
]);
const jwk = {
  ...(await crypto.subtle.exportKey("jwk", keys.publicKey)),
  kid: "k0",
  use: "sig",
  alg: "ES256",
};

const registration = {
  client_id: "confidential",
  application_type: "native",
  id_token_signed_response_alg: "ES256",
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  redirect_uris: ["http://127.0.0.1/callback"],
};

const methods: readonly [string, OAuthOptions["clientAuthentication"], object][] = [
  ["none", undefined, {}],
  ["none", None(), {}],
  ["client_secret_basic", ClientSecretBasic(clientSecret), { client_secret: clientSecret }],
  ["client_secret_post", ClientSecretPost(clientSecret), { client_secret: clientSecret }],
  ["private_key_jwt", PrivateKeyJwt({ key: keys.privateKey, kid: "k0" }), { jwks: { keys: [jwk] } }],
];

test.each(methods)(
  "authenticates by %s when it exchanges, refreshes and revokes",
  async (method, clientAuthentication, credentials) => {
    const client = { ...registration, token_endpoint_auth_method: method, ...credentials };
    const { server, oauth } = await real(
      { clientId: "confidential", clientAuthentication },
      { clients: [client] },
    );
    const { revoke, ...grant } = oauth.session();
    const revoked = createGate();
    const session = createSession({ ...grant, revoke: (tokens) => revoke(tokens).finally(revoked.open) });
    await session.signIn(await signedIn(oauth, server));

    await session.refresh();
    await session.signOut();
    await revoked.pass();

    expect(server.ledger).toStrictEqual({
      presentations: [{ token: 1, family: 1, account: "alice", again: false, outcome: "rotated" }],
      revocations: [{ family: 1, because: "request" }],
    });
  },
);

test.each([ClientSecretBasic("wrong"), ClientSecretPost("wrong"), None()])(
  "keeps the session when the client is not believed",
  async (wrong) => {
    const clients = [
      { ...registration, token_endpoint_auth_method: "client_secret_basic", client_secret: clientSecret },
    ];
    const rightly = { clientId: "confidential", clientAuthentication: ClientSecretBasic(clientSecret) };
    const { server, oauth } = await real(rightly, { clients });
    const tokens = await signedIn(oauth, server);
    const given = { clientId: "confidential", clientAuthentication: wrong };
    const wrongly = scripted({ ...given, issuer: server.issuer, fetch: undefined }).oauth;
    const session = createSession({ ...wrongly.session(), tokens });

    await expect(session.refresh()).rejects.toMatchObject({
      code: "ERR_REFRESH_FAILED",
      cause: { code: "invalid_client" },
    });

    expect(session.state).toMatchObject({
      status: "signedIn",
      tokens: { refreshToken: tokens.refresh_token },
    });
  },
);

test("makes a new assertion for every attempt", async () => {
  const { server, oauth } = scripted({ clientAuthentication: PrivateKeyJwt(keys.privateKey) });
  const { session } = await begin({ server, oauth }, { refreshAttempts: 2 });
  server.next("token", { status: 502 });

  await session.refresh();

  const assertions = formsAt(server, "token").map((form) => {
    const [, payload = ""] = new URLSearchParams(form).get("client_assertion")?.split(".") ?? [];
    return JSON.parse(Buffer.from(payload, "base64url").toString());
  });
  expect(assertions).toMatchObject([
    { iss: "web", sub: "web", aud: server.origin, exp: expect.any(Number) },
    { iss: "web", sub: "web", aud: server.origin, exp: expect.any(Number) },
  ]);
  expect(new Set(assertions.map(({ jti }) => jti)).size).toBe(2);
});

test("asks the mTLS aliases through the fetch that has the certificate", async () => {
  const { server } = scripted();
  const fetched = vi.fn(server.fetch);
  const { oauth } = scripted({
    fetch: fetched,
    clientAuthentication: TlsClientAuth(),
    client: { use_mtls_endpoint_aliases: true },
  });
  const aliases = { token_endpoint: `${server.origin}/token` };
  const metadata = { ...metadataOf(server), token_endpoint: "https://plain.test/token" };
  server.next(METADATA, { json: { ...metadata, mtls_endpoint_aliases: aliases } });
  const { session } = await begin({ server, oauth });

  await session.refresh();

  expect(fetched.mock.calls.map(([url]) => url)).toStrictEqual([
    server.origin + METADATA,
    aliases.token_endpoint,
  ]);
  expect(new URLSearchParams(formsAt(server, "token")[0]).get("client_id")).toBe("web");
  expect(entriesAt(server.log, "token")[0]?.headers).not.toHaveProperty("authorization");
});

test("sends nothing to an mTLS alias over plain http", async () => {
  const aliases = { token_endpoint: "http://server.test/token" };
  const { server, oauth } = scripted({
    client: { use_mtls_endpoint_aliases: true },
    server: { token_endpoint: "https://server.test/token", mtls_endpoint_aliases: aliases },
  });
  const { session } = await begin({ server, oauth });

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });

  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1 }));
});
