import { createSession, type Session, type SessionOptions } from "@freshtoken/core";
import { sessionFetch } from "@freshtoken/fetch";
import { createClock, createGate } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { ClientSecretBasic, ClientSecretPost, createOAuth, type OAuth } from "../src/index.ts";
import { signedIn, visit } from "./loopback.ts";
import { type PlainServer, plain } from "./plain-server.ts";
import { outcomeOf } from "./support.ts";

/** A session that is signed in at a plain server, and a fetch that goes through it. */
async function begin(
  { server, oauth }: { server: PlainServer; oauth: OAuth },
  options: Partial<SessionOptions> = {},
): Promise<{ session: Session; api: typeof fetch }> {
  const tokens = await signedIn(oauth, server);
  const session = createSession({
    ...oauth.session(),
    origins: [server.origin],
    clock: createClock(),
    refreshAttempts: 1,
    ...options,
  });
  await session.signIn(tokens);
  return { session, api: sessionFetch(session) };
}

const code = { grant: "authorization_code", answer: 200 };
const refreshed = (presented: number) => ({ grant: "refresh_token", presented, answer: 200 });

test("signs in, refreshes and goes on at a server that knows no OpenID", async () => {
  const { server, oauth } = await plain();
  const { callback, pending } = await visit(oauth, server);

  const { tokens, returnTo } = await oauth.exchange(callback, pending);
  const session = createSession({ ...oauth.session(), origins: [server.origin] });
  await session.signIn(tokens);
  await session.refresh();
  const answer = await sessionFetch(session)(`${server.origin}/me`);

  expect({ ...tokens, returnTo, nonce: pending.nonce }).toStrictEqual({
    access_token: expect.any(String),
    token_type: "bearer",
    expires_in: expect.any(Number), // what was left of 3,600 s when it answered
    refresh_token: expect.any(String),
    scope: "orders:read",
    returnTo: "/",
    nonce: undefined,
  });
  expect(await answer.json()).toStrictEqual({ account: "alice" });
  expect(server.log).toStrictEqual([code, refreshed(0)]);
  expect(server.paths.slice(0, 2)).toStrictEqual([
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
  ]);
});

test("keeps its refresh token at a server that does not rotate", async () => {
  const { server, oauth } = await plain({}, { alwaysIssueNewRefreshToken: false });
  const { session, api } = await begin({ server, oauth }, { refusalLimit: false });

  const statuses = [];
  for (let expiry = 0; expiry < 10; expiry += 1) {
    server.expire();
    statuses.push((await api(`${server.origin}/me`)).status);
  }

  expect(statuses).toStrictEqual(Array(10).fill(200));
  expect(server.log).toStrictEqual([code, ...Array(10).fill(refreshed(0))]);
  expect((await session.tokens()).refreshToken).toEqual(expect.any(String));
});

test("refreshes once for a burst that is refused at a server that never says when its tokens expire", async () => {
  const { server, oauth } = await plain({}, { tellsExpiry: false });
  const { session, api } = await begin({ server, oauth }, { refusalLimit: false });

  const statuses = [];
  for (let expiry = 0; expiry < 10; expiry += 1) {
    server.expire();
    const burst = Array.from({ length: 10 }, () => api(`${server.origin}/me`));
    statuses.push(...(await Promise.all(burst)).map(({ status }) => status));
  }

  expect(statuses).toStrictEqual(Array(100).fill(200));
  expect(server.log).toStrictEqual([code, ...Array.from({ length: 10 }, (_, number) => refreshed(number))]);
  expect((await session.tokens()).expiresAt).toBeUndefined();
});

test.each(["bearer", "BEARER", "bEaReR"])(
  "takes the token type %s for what it is, and sends Bearer",
  async (type) => {
    const { server, oauth } = await plain();
    server.say({ token_type: type });
    const { session, api } = await begin({ server, oauth });

    const answers = [await api(`${server.origin}/me`)];
    await session.refresh();
    answers.push(await api(`${server.origin}/me`));

    // This server knows no other spelling.
    expect(answers.map(({ status }) => status)).toStrictEqual([200, 200]);
  },
);

test("keeps what a server says besides, and asks for nothing because of it", async () => {
  const draft = { refresh_token_timeout: 60, authorization_expires_in: 120 };
  const { server, oauth } = await plain();
  server.say(draft);

  const { session } = await begin({ server, oauth });

  expect((await session.tokens()).extra).toStrictEqual(draft);
  expect(server.log).toStrictEqual([code]);
});

test("goes on after an answer that was lost where the server takes a refresh token once more", async () => {
  const { server, oauth } = await plain({}, { grace: 1 });
  const { session, api } = await begin({ server, oauth }, { refreshAttempts: 3 });
  server.loseAnswer();

  await session.refresh();
  await session.refresh();

  expect(server.log).toStrictEqual([code, refreshed(0), refreshed(0), refreshed(2)]);
  expect((await api(`${server.origin}/me`)).status).toBe(200);
});

test("ends after an answer that was lost where the server takes that for theft, and asks no third time", async () => {
  const { server, oauth } = await plain();
  const { session } = await begin({ server, oauth }, { refreshAttempts: 3 });
  server.loseAnswer();

  const ended = await outcomeOf(session.refresh());

  expect(ended).toMatchObject({ code: "ERR_REFRESH_REJECTED" });
  expect(server.log.slice(1)).toStrictEqual([refreshed(0), { ...refreshed(0), answer: "invalid_grant" }]);
  expect(session.state).toMatchObject({ status: "signedOut" });
});

const confidential = {
  id: "confidential",
  secret: "secret",
  grants: ["authorization_code", "refresh_token", "client_credentials"],
  redirectUris: ["http://127.0.0.1/callback"],
};
const known = { clients: [confidential], requireClientAuthentication: {} };

test.each([
  ["ClientSecretPost", ClientSecretPost],
  ["ClientSecretBasic", ClientSecretBasic],
])("authenticates by %s at a server that reads both", async (_, method) => {
  const { server, oauth } = await plain(
    { clientId: "confidential", clientAuthentication: method("secret") },
    known,
  );
  const { session, api } = await begin({ server, oauth });

  await session.refresh();

  expect(server.log).toStrictEqual([code, refreshed(0)]);
  expect((await api(`${server.origin}/me`)).status).toBe(200);
});

test.each([
  ["ClientSecretPost", ClientSecretPost],
  ["ClientSecretBasic", ClientSecretBasic],
])("keeps the session where a secret is not believed: %s", async (_, method) => {
  const clientId = "confidential";
  const { server, oauth } = await plain({ clientId, clientAuthentication: method("secret") }, known);
  const tokens = await signedIn(oauth, server);
  const changed = createOAuth({ issuer: server.origin, clientId, clientAuthentication: method("old") });
  const session = createSession({ ...changed.session(), tokens });

  const failed = await outcomeOf(session.refresh());

  expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { code: "invalid_client" } });
  expect(session.state.status).toBe("signedIn");
  expect(server.log.slice(1)).toStrictEqual([{ ...refreshed(0), answer: "invalid_client" }]);
});

test("signs a service in as itself, which has no refresh token, and asks again when its token is refused", async () => {
  const given = {
    clientId: "confidential",
    clientAuthentication: ClientSecretPost("secret"),
    scope: "orders:write",
  };
  const { server, oauth } = await plain(given, known);
  const session = createSession({ ...oauth.clientCredentials(), origins: [server.origin] });
  const api = sessionFetch(session);

  const first = await api(`${server.origin}/me`);
  server.expire();
  const second = await api(`${server.origin}/me`);

  const account = { account: "confidential" };
  expect([await first.json(), await second.json()]).toStrictEqual([account, account]);
  const asked = { grant: "client_credentials", answer: 200 };
  expect(server.log).toStrictEqual([asked, asked]);
  expect((await session.tokens()).refreshToken).toBeUndefined();
});

test("ends the session where the server has revoked its sign-in", async () => {
  const { server, oauth } = await plain();
  const { session } = await begin({ server, oauth });
  server.revokeAll();

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED" });

  expect(server.log.slice(1)).toStrictEqual([{ ...refreshed(0), answer: "invalid_grant" }]);
  expect(session.state.status).toBe("signedOut");
});

test("keeps the session while the server is in trouble, and goes on afterwards", async () => {
  const { server, oauth } = await plain();
  const { session, api } = await begin({ server, oauth });
  server.break(true);
  const failed = await outcomeOf(session.refresh());
  server.break(false);

  await session.refresh();

  expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { status: 503 } });
  expect(server.log.slice(1)).toStrictEqual([
    { ...refreshed(0), answer: "temporarily_unavailable" },
    refreshed(0),
  ]);
  expect((await api(`${server.origin}/me`)).status).toBe(200);
});

test("keeps the session where a refresh asks for more than was granted, or for less", async () => {
  const { server, oauth } = await plain({ scope: "orders:read orders:write" });
  const tokens = await signedIn(oauth, server);
  const narrow = createSession({ ...oauth.session({ scope: "orders:read" }), tokens });
  const wide = createSession({ ...oauth.session({ scope: "admin" }), tokens: await signedIn(oauth, server) });

  const narrowed = await narrow.refresh();
  const failed = await outcomeOf(wide.refresh());

  expect(narrowed.scope).toBe("orders:read");
  expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { code: "invalid_scope" } });
  expect(wide.state.status).toBe("signedIn");
});

test.each([
  ["has no revocation endpoint", undefined, []],
  ["answers a revocation 503", 503, ["/revoke"]],
])("signs out where the server %s", async (_, revocation, asked) => {
  const { server, oauth } = await plain({}, { ...(revocation && { revocation }) });
  const { revoke, ...grant } = oauth.session();
  const revoked = createGate();
  const session = createSession({ ...grant, revoke: (tokens) => revoke(tokens).finally(revoked.open) });
  await session.signIn(await signedIn(oauth, server));

  await session.signOut();
  await revoked.pass();

  expect(session.state).toStrictEqual({ status: "signedOut" });
  expect(server.paths.slice(server.paths.indexOf("/token") + 1)).toStrictEqual(asked);
});

test("rotates 100 times in a row, each refresh token once", async () => {
  const { server, oauth } = await plain();
  const { session } = await begin({ server, oauth });

  for (let rotation = 0; rotation < 100; rotation += 1) await session.refresh();

  expect(server.log).toStrictEqual([code, ...Array.from({ length: 100 }, (_, number) => refreshed(number))]);
});
