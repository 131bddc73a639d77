import type { AuthorizationServer, AuthorizationServerOptions } from "@freshtoken/authorization-server";
import { createSession, type SessionOptions } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { generateKeyPair } from "oauth4webapi";
import { expect, onTestFinished, test, vi } from "vitest";
import { dpop } from "../src/dpop/index.ts";
import { ClientSecretBasic, type OAuthOptions, PrivateKeyJwt } from "../src/index.ts";
import { pair } from "./bound.ts";
import { real, signedIn } from "./loopback.ts";
import { outcomeOf } from "./support.ts";

const registration = {
  client_id: "bound",
  dpop_bound_access_tokens: true,
  application_type: "native",
  token_endpoint_auth_method: "none",
  id_token_signed_response_alg: "ES256",
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  redirect_uris: ["http://127.0.0.1/callback"],
};
const jwk = {
  ...(await crypto.subtle.exportKey("jwk", pair.publicKey)),
  kid: "k0",
  use: "sig",
  alg: "ES256",
};

/** An application whose tokens are bound, at a real server. */
function bound(options: Partial<OAuthOptions> = {}, serverOptions: AuthorizationServerOptions = {}) {
  const binding = dpop({ key: pair });
  const clients = [registration];
  return real(
    { clientId: "bound", dpop: binding, ...options },
    { clients, dpopNonces: true, ...serverOptions },
  );
}

function statusesAt({ proofs }: AuthorizationServer, at: "token" | "api"): number[] {
  return proofs.filter((proof) => proof.at === at).map(({ status }) => status);
}

test.each([true, false])(
  "signs in, calls and refreshes at a real server, where nonces are wanted: %s",
  async (dpopNonces) => {
    const { server, oauth } = await bound({}, { dpopNonces });
    const session = createSession({ ...oauth.session(), origins: [server.api] });
    const send = sessionFetch(session);

    await session.signIn(await signedIn(oauth, server));
    const first = await send(`${server.api}/me`);
    await session.refresh();
    const second = await send(`${server.api}/me`);

    const answer = { account: "alice", path: "/me" };
    expect([await first.json(), await second.json()]).toStrictEqual([answer, answer]);
    expect(statusesAt(server, "token")).toStrictEqual(dpopNonces ? [400, 200, 200] : [200, 200]);
    expect(statusesAt(server, "api")).toStrictEqual(dpopNonces ? [401, 200, 200] : [200, 200]);
    expect(server.ledger.presentations.map(({ outcome }) => outcome)).toStrictEqual(["rotated"]);
  },
);

// So that nobody refreshes before the API refuses.
async function withoutExpiry(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok || !String(url).endsWith("/token")) return response;
  const { expires_in: _, ...tokens } = await response.json();
  return Response.json(tokens, { headers: response.headers });
}

test("refreshes 50 times under bursts while both servers change their nonces: no reuse, no proof twice", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const { server, oauth } = await bound({ fetch: withoutExpiry, scope: "api" });
  const options: Partial<SessionOptions> = { origins: [server.api], refusalLimit: false };
  const session = createSession({ ...oauth.session(), ...options });
  const send = sessionFetch(session);
  await session.signIn(await signedIn(oauth, server));

  const statuses = new Set<number>();
  for (let expiry = 0; expiry < 50; expiry += 1) {
    // The access token expires, and so do the nonces of the provider; the API gives its own to others.
    vi.setSystemTime(Date.now() + 400_000);
    const others = Array.from({ length: 20 }, () =>
      fetch(`${server.api}/me`, { headers: { authorization: "DPoP x" } }),
    );
    await Promise.all(others);
    const burst = Array.from({ length: 8 }, () => send(`${server.api}/me`));
    for (const { status } of await Promise.all(burst)) statuses.add(status);
  }

  expect(statuses).toStrictEqual(new Set([200]));
  expect(server.ledger.presentations).toHaveLength(50);
  expect(new Set(server.ledger.presentations.map(({ outcome }) => outcome))).toStrictEqual(
    new Set(["rotated"]),
  );
  const { proofs } = server;
  expect(new Set(proofs.map(({ jti }) => jti)).size).toBe(proofs.length);
  const taken = proofs.filter(({ at, status }) => at === "api" && status === 200);
  expect([taken.length, new Set(taken.map(({ ath }) => ath)).size]).toStrictEqual([400, 50]);
  expect(statusesAt(server, "token").filter((status) => status === 400).length).toBeGreaterThanOrEqual(50);
}, 60_000);

test("takes no stolen token without its key", async () => {
  const { server, oauth } = await bound();
  const { access_token: accessToken, refresh_token: refreshToken } = await signedIn(oauth, server);
  const thief = dpop({ key: await generateKeyPair("ES256") });
  const stolen = await bound({ issuer: server.issuer, dpop: thief });
  const tokens = { accessToken, refreshToken, tokenType: "DPoP" };
  const session = createSession({ ...stolen.oauth.session(), tokens, origins: [server.api] });

  const asBearer = await fetch(`${server.api}/me`, { headers: { authorization: `Bearer ${accessToken}` } });
  const withAnotherKey = await outcomeOf(sessionFetch(session)(`${server.api}/me`));

  expect([asBearer.status, withAnotherKey]).toMatchObject([401, { status: 401 }]);
  expect(session.state).toMatchObject({ error: { cause: { code: "invalid_grant" } } });
  expect(server.ledger.presentations.map(({ outcome }) => outcome)).toStrictEqual(["invalid"]);
});

test("refreshes wherever the key is: in another tab, process or machine", async () => {
  const { server, oauth } = await bound();
  const here = createSession({ ...oauth.session() });
  await here.signIn(await signedIn(oauth, server));
  const { oauth: another } = await bound({ issuer: server.issuer });
  const there = createSession({ ...another.session(), tokens: await here.refresh() });

  await there.refresh();

  expect(server.ledger.presentations.map(({ outcome }) => outcome)).toStrictEqual(["rotated", "rotated"]);
});

const methods: readonly [string, OAuthOptions["clientAuthentication"], object][] = [
  ["client_secret_basic", ClientSecretBasic("secret"), { client_secret: "secret" }],
  ["private_key_jwt", PrivateKeyJwt({ key: pair.privateKey, kid: "k0" }), { jwks: { keys: [jwk] } }],
];

test.each(methods)(
  "binds the tokens of a client that authenticates by %s, also of a service",
  async (method, clientAuthentication, credentials) => {
    const grant_types = [...registration.grant_types, "client_credentials"];
    const client = { ...registration, grant_types, token_endpoint_auth_method: method, ...credentials };
    const { server, oauth } = await bound({ clientAuthentication, scope: "api" }, { clients: [client] });
    const user = createSession({ ...oauth.session(), origins: [server.api] });
    const service = createSession({ ...oauth.clientCredentials(), origins: [server.api] });

    await user.signIn(await signedIn(oauth, server));
    await user.refresh();
    const answers = [user, service].map(async (session) =>
      (await sessionFetch(session)(`${server.api}/me`)).json(),
    );

    expect(await Promise.all(answers)).toMatchObject([{ account: "alice" }, { account: "bound" }]);
    expect([user.state, service.state]).toMatchObject([
      { tokens: { tokenType: "DPoP" } },
      { tokens: { tokenType: "DPoP" } },
    ]);
  },
);
