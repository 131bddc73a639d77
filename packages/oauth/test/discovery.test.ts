import { createSession } from "@freshtoken/core";
import { createClock, entriesAt, type Fault, ledger, settled } from "@freshtoken/testing";
import { expect, test, vi } from "vitest";
import { createOAuth } from "../src/index.ts";
import { account, begin, discoveries, METADATA, metadataOf, outcomeOf, scripted } from "./support.ts";

test("asks for nothing before it is needed", async () => {
  const { server, oauth } = scripted();

  const { session } = await begin({ server, oauth });
  await session.tokens();

  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1 }));
});

test("looks the metadata up once for all who wait, and keeps it", async () => {
  const { server, oauth } = scripted();
  const gate = server.gate(METADATA);
  const { session } = await begin({ server, oauth });

  const waiting = [session.refresh(), oauth.authorizationUrl(), oauth.authorizationUrl()];
  await gate.reached(1);
  gate.open();
  await Promise.all(waiting);
  await session.refresh();

  expect(ledger(server.log)).toStrictEqual(
    account({ signIns: 1, attempts: 2, refreshes: 2, requests: 1, answers: 1 }),
  );
});

const wrong: readonly [string, Fault, string][] = [
  ["answers 503", { status: 503 }, "ERR_DISCOVERY_FAILED"],
  ["answers 403", { status: 403, json: { error: "invalid_grant" } }, "ERR_DISCOVERY_FAILED"],
  ["redirects", { status: 302, headers: { location: "/elsewhere" } }, "ERR_DISCOVERY_FAILED"],
  ["cannot be reached", { reset: "before" }, "ERR_DISCOVERY_FAILED"],
  ["answers with a page", { html: true }, "ERR_DISCOVERY_FAILED"],
  ["names no issuer", { json: { token_endpoint: "https://server.test/token" } }, "ERR_DISCOVERY_FAILED"],
  ["is another issuer", { json: { issuer: "https://evil.test" } }, "ERR_ISSUER_MISMATCH"],
  ["has no token endpoint", { json: { issuer: "https://server.test" } }, "ERR_METADATA_INVALID"],
  [
    "has a token endpoint over plain http",
    { json: { issuer: "https://server.test", token_endpoint: "http://server.test/token" } },
    "ERR_METADATA_INVALID",
  ],
];

test.each(wrong)(
  "keeps the session when the issuer %s, and asks again the next time",
  async (_, fault, code) => {
    const { server, oauth } = scripted();
    const { session } = await begin({ server, oauth });
    server.next(METADATA, fault);

    const failed = await outcomeOf(session.refresh());

    expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED", cause: { name: "OAuthError", code } });
    expect(session.state.status).toBe("signedIn");
    await session.refresh();
    const { attempts, refreshes, requests } = ledger(server.log);
    expect({ attempts, refreshes, requests }).toStrictEqual({ attempts: 1, refreshes: 1, requests: 2 });
  },
);

test.each(wrong)("says what to do when the issuer %s", async (_, fault, code) => {
  const { server, oauth } = scripted();
  server.next(METADATA, fault);

  const failed = await outcomeOf(oauth.authorizationUrl());

  expect(failed).toMatchObject({ name: "OAuthError", code });
  expect(String(failed)).toMatch(/(?:Try again|Try that|Correct that), or give `server`/);
});

test("gives an issuer in trouble time before it asks again", async () => {
  const clock = createClock();
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth }, { clock, refreshAttempts: 2 });
  server.next(METADATA, { status: 503 });

  const refreshed = session.refresh();
  await settled();
  const before = discoveries(server);
  await clock.advance(300);
  await refreshed;

  expect([before, discoveries(server)]).toStrictEqual([1, 2]);
});

test("finds the metadata of a server without OpenID where RFC 8414 has it", async () => {
  const { server, oauth } = scripted();
  server.next(METADATA, { status: 404 });
  server.next("/.well-known/oauth-authorization-server", { json: metadataOf(server) });

  const { url } = await oauth.authorizationUrl();

  expect(new URL(url).pathname).toBe("/authorize");
  expect(discoveries(server)).toBe(2);
});

test("finds the metadata of an issuer with a path where either standard has it", async () => {
  const { server, oauth } = scripted({ issuer: "https://server.test/tenant" });
  const metadata = { ...metadataOf(server), issuer: "https://server.test/tenant" };
  server.next("/tenant/.well-known/openid-configuration", { status: 404 });
  server.next("/.well-known/oauth-authorization-server/tenant", { json: metadata });

  const { pending } = await oauth.authorizationUrl();

  expect(pending.issuer).toBe("https://server.test/tenant");
  expect(entriesAt(server.log, "resource")).toHaveLength(2);
});

test("asks no one where the metadata is given", async () => {
  const { server, oauth } = scripted({ server: { token_endpoint: "https://server.test/token" } });
  const { session } = await begin({ server, oauth });

  await session.refresh();

  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1, attempts: 1, refreshes: 1 }));
});

test.each([
  ["plain http", { token_endpoint: "http://server.test/token" }],
  ["http on loopback for an issuer elsewhere", { token_endpoint: "http://localhost:1/token" }],
  ["credentials", { token_endpoint: "https://me:secret@server.test/token" }],
  [
    "an mTLS alias over plain http",
    {
      token_endpoint: "https://server.test/token",
      mtls_endpoint_aliases: { token_endpoint: "http://server.test/token" },
    },
  ],
])("holds metadata that is given to the same rules: %s", async (_, metadata) => {
  const { server, oauth } = scripted({ server: metadata });
  const { session } = await begin({ server, oauth });

  const invalid = { code: "ERR_METADATA_INVALID" };
  await expect(oauth.authorizationUrl()).rejects.toMatchObject(invalid);
  await expect(session.refresh()).rejects.toMatchObject({ cause: invalid });

  expect(ledger(server.log).attempts).toBe(0);
});

test("asks no mTLS alias over plain http elsewhere, though the issuer is on loopback", async () => {
  const fetched = vi.fn(fetch);
  const issuer = "http://127.0.0.1:1";
  const aliases = { token_endpoint: "http://evil.test/token" };
  const server = { token_endpoint: `${issuer}/token`, mtls_endpoint_aliases: aliases };
  const client = { use_mtls_endpoint_aliases: true };
  const oauth = createOAuth({ issuer, clientId: "web", client, server, fetch: fetched });
  const { signal } = new AbortController();

  const asked = oauth.session().refresh({ refreshToken: "r0", tokens: {}, signal, attempt: 1 });

  await expect(asked).rejects.toMatchObject({ code: "ERR_METADATA_INVALID" });
  expect(fetched).not.toHaveBeenCalled();
});

test.each([
  ["is another issuer's", { issuer: "https://evil.test" }, "ERR_ISSUER_MISMATCH"],
  ["has no token endpoint", { issuer: "https://server.test" }, "ERR_METADATA_INVALID"],
])("surfaces at once in a refresh that the metadata %s", async (_, json, code) => {
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth }, { refreshAttempts: 3 });
  server.always(METADATA, { json });

  await expect(session.refresh()).rejects.toMatchObject({ cause: { code } });

  expect(discoveries(server)).toBe(1);
});

test("presents no refresh token for an attempt that was given up while the metadata was looked up", async () => {
  const clock = createClock();
  const { server } = scripted();
  const forgetful: typeof fetch = (url, { signal, ...init } = {}) => server.fetch(url, init);
  const oauth = createOAuth({ issuer: server.origin, clientId: "web", fetch: forgetful });
  const gate = server.gate(METADATA);
  const { session } = await begin({ server, oauth }, { clock, refreshTimeout: 1_000 });

  const refreshed = outcomeOf(session.refresh());
  await gate.reached(1);
  await clock.advance(1_000);
  gate.open();
  await refreshed;
  await settled();

  expect(ledger(server.log)).toMatchObject({ attempts: 0, answers: 1 });
});

test("gives a discovery up that hangs for 10 s, and asks again", async () => {
  const [deadline, deadlines] = [new AbortController(), vi.spyOn(AbortSignal, "timeout")];
  deadlines.mockReturnValueOnce(deadline.signal);
  const { server, oauth } = scripted();
  server.next(METADATA, { hang: "before" });

  const hanging = outcomeOf(oauth.authorizationUrl());
  await server.when((log) => log.length === 1);
  deadline.abort();

  expect(await hanging).toMatchObject({ code: "ERR_DISCOVERY_FAILED" });
  expect(deadlines.mock.calls).toStrictEqual([[10_000]]);
  await oauth.authorizationUrl();
  expect(discoveries(server)).toBe(2);
});

test("lets an attempt end that waits for a discovery, and nobody else", async () => {
  const clock = createClock();
  const { server, oauth } = scripted();
  const gate = server.gate(METADATA);
  const session = createSession({ ...oauth.session(), clock, refreshAttempts: 1, refreshTimeout: 1_000 });
  await session.signIn(server.signIn());

  const refreshed = outcomeOf(session.refresh());
  const begun = oauth.authorizationUrl();
  await gate.reached(1);
  await clock.advance(1_000);
  const failed = await refreshed;
  gate.open();

  expect(failed).toMatchObject({ code: "ERR_REFRESH_FAILED" });
  expect((await begun).pending.issuer).toBe(server.origin);
  expect(discoveries(server)).toBe(1);
});

test.each(["http://evil.test/token", "ftp://127.0.0.1/token", "/token", ""])(
  "sends nothing to %j, though the issuer is on loopback",
  async (endpoint) => {
    const fetched = vi.fn(fetch);
    const server = { token_endpoint: endpoint };
    const oauth = createOAuth({ issuer: "http://127.0.0.1:1", clientId: "web", server, fetch: fetched });
    const { signal } = new AbortController();

    const asked = oauth.session().refresh({ refreshToken: "r0", tokens: {}, signal, attempt: 1 });

    await expect(asked).rejects.toMatchObject({ code: "ERR_METADATA_INVALID" });
    expect(fetched).not.toHaveBeenCalled();
  },
);
