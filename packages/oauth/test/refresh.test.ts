import { createSession } from "@freshtoken/core";
import { createClock, createServer, entriesAt, ledger } from "@freshtoken/testing";
import { listen } from "@freshtoken/testing/node";
import { expect, onTestFinished, test, vi } from "vitest";
import { createOAuth } from "../src/index.ts";
import { account, begin, formsAt, metadataOf, scripted } from "./support.ts";

test("refreshes exactly as RFC 6749 §6 has it, without a scope", async () => {
  const { server, oauth } = scripted({ scope: "openid offline_access" });
  const { session } = await begin({ server, oauth });

  await session.refresh();

  expect(formsAt(server, "token")).toStrictEqual([
    [
      ["refresh_token", "r0"],
      ["grant_type", "refresh_token"],
      ["client_id", "web"],
    ],
  ]);
  expect(entriesAt(server.log, "token")).toMatchObject([
    {
      method: "POST",
      search: "",
      headers: { "content-type": "application/x-www-form-urlencoded;charset=UTF-8" },
    },
  ]);
});

test("sends a scope with a refresh only where session() asks for it", async () => {
  const { server, oauth } = scripted({ scope: "read write" });
  const { session } = await begin({ server, oauth }, oauth.session({ scope: "read" }));

  await session.refresh();

  expect(formsAt(server, "token")[0]).toContainEqual(["scope", "read"]);
});

test.each([
  ["https://api.example.com/v1", ["https://api.example.com/v1"]],
  [
    ["https://a.example.com", "urn:b"],
    ["https://a.example.com", "urn:b"],
  ],
])("sends the resource %j with a refresh", async (resource, sent) => {
  const { server, oauth } = scripted({ resource });
  const { session } = await begin({ server, oauth });
  server.next("token", { json: { access_token: "a1", token_type: "Bearer" } });

  await session.refresh();

  const form = new URLSearchParams(formsAt(server, "token")[0]);
  expect(form.getAll("resource")).toStrictEqual(sent);
});

test.each([
  { rotate: true, presented: ["r0", "r1", "r2"] },
  { rotate: false, presented: ["r0", "r0", "r0"] },
])("presents the newest refresh token: $presented", async ({ rotate, presented }) => {
  const { server, oauth } = scripted({}, { rotate });
  const { session } = await begin({ server, oauth });

  for (const _ of presented) await session.refresh();

  expect(entriesAt(server.log, "token").map((entry) => entry.presented)).toStrictEqual(presented);
  expect(session.state).toMatchObject({ tokens: { accessToken: "a3", refreshToken: rotate ? "r3" : "r0" } });
});

test.each(["session", "clientCredentials"] as const)(
  "asks with the signal of the attempt, uncached, and follows no redirect: %s",
  async (grant) => {
    const fetched = vi.fn(async () => Response.json({}));
    const given = { server: { token_endpoint: "https://server.test/token" }, fetch: fetched };
    const { refresh } = createOAuth({ issuer: "https://server.test", clientId: "web", ...given })[grant]();
    const { signal } = new AbortController();

    await refresh({ refreshToken: "r0", tokens: {}, signal, attempt: 1 });

    const [[url, init] = []] = fetched.mock.calls as unknown as [string, RequestInit][];
    expect(url).toBe("https://server.test/token");
    expect(init).toMatchObject({ method: "POST", cache: "no-store", redirect: "manual" });
    expect(init?.signal).toBe(signal);
  },
);

test("follows no redirect from the token endpoint: the refresh has failed", async () => {
  const server = createServer();
  const { origin, close } = await listen(server);
  onTestFinished(close);
  server.next("token", { status: 307, headers: { location: "/elsewhere" } });
  const metadata = { token_endpoint: `${origin}/token` };
  const oauth = createOAuth({ issuer: origin, clientId: "web", server: metadata });
  const { session } = await begin({ server, oauth }, { refreshAttempts: 3 });

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });

  expect(session.state.status).toBe("signedIn");
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1, attempts: 1 }));
});

test("takes a redirect that a browser hides for what it is, and does not ask again", async () => {
  const { server } = scripted();
  const hidden = Object.defineProperty(Response.error(), "type", { value: "opaqueredirect" });
  const fetched = vi.fn(async () => hidden);
  const given = { server: metadataOf(server), fetch: fetched };
  const oauth = createOAuth({ issuer: server.origin, clientId: "web", ...given });
  const { session } = await begin({ server, oauth }, { refreshAttempts: 3 });

  await expect(session.refresh()).rejects.toThrow("the authorization server answered 302");

  expect(fetched).toHaveBeenCalledTimes(1);
});

test.each([
  { error: "invalid_grant" },
  { error: "invalid_grant", headers: { "www-authenticate": "Basic" }, status: 401 },
  { error: "interaction_required" },
])("ends the session when the refresh is answered %j", async (fault) => {
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth });
  server.next("token", fault);

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED" });

  expect(session.state.status).toBe("signedOut");
  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1, attempts: 1, requests: 1, answers: 1 }));
});

test.each([
  { error: "invalid_client", headers: { "www-authenticate": 'Basic realm="as"' } },
  { error: "unauthorized_client" },
  { error: "invalid_scope" },
  { error: "invalid_target" },
  { status: 503, retryAfter: 1 },
  { status: 503, html: true as const },
  { html: true as const },
  { reset: "before" as const },
  { json: { token_type: "Bearer", expires_in: 60 } },
  { json: { access_token: 1, token_type: "Bearer" } },
  { json: { access_token: "a1", token_type: "mac" } },
  { json: ["a1"] },
])("keeps the session when the refresh is answered %j", async (fault) => {
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth });
  server.next("token", fault);

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_FAILED" });

  expect(session.state).toMatchObject({
    status: "signedIn",
    tokens: { accessToken: "a0", refreshToken: "r0" },
  });
  await session.refresh();
  expect(ledger(server.log)).toStrictEqual(
    account({ signIns: 1, attempts: 2, refreshes: 1, requests: 1, answers: 1 }),
  );
});

test("ends a session without a refresh token when its access token has to be renewed", async () => {
  const { server, oauth } = scripted();
  const session = createSession({ ...oauth.session(), clock: createClock() });
  await session.signIn(server.signIn({ refreshToken: false }));

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED" });

  expect(ledger(server.log)).toStrictEqual(account({ signIns: 1 }));
});

test.each([
  ["ages", 3_599_000, "signedIn"],
  ["is stale", 3_600_000, "signedOut"],
  ["was refused", 1_000_000, "signedOut"],
])("keeps a session without a refresh token until its access token %s", async (_, elapsed, status) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const { server, oauth } = scripted();
  const clock = { ...createClock(), now: Date.now };
  const session = createSession({ ...oauth.session(), clock });
  await session.signIn({ access_token: "a0", expires_in: 3_600 });
  vi.setSystemTime(Date.now() + elapsed);

  await session.refresh().catch(() => {});

  expect(session.state.status).toBe(status);
  expect(server.log).toStrictEqual([]);
});

test("takes tokens of any length and shape, and sends them whole", async () => {
  const { server, oauth } = scripted();
  const { session } = await begin({ server, oauth });
  const long = (seed: string) => `${seed}.~+/-_=`.repeat(5_000);
  const json = { access_token: long("a"), refresh_token: long("r"), token_type: "Bearer" };
  server.next("token", { json });

  const { accessToken } = await session.refresh();
  await session.refresh().catch(() => {});

  expect(accessToken).toBe(json.access_token);
  expect(new URLSearchParams(formsAt(server, "token")[1]).get("refresh_token")).toBe(json.refresh_token);
});

test("ends the session by a code of the server's own where isRejection says so", async () => {
  const { server, oauth } = scripted();
  const { isRejection } = oauth.session();
  const isDead = (error: unknown) => Object(error).code === "invalid_request" || isRejection(error);
  const { session } = await begin({ server, oauth }, { isRejection: isDead });
  server.next("token", { error: "invalid_request" });

  await expect(session.refresh()).rejects.toMatchObject({ code: "ERR_REFRESH_REJECTED" });

  expect(session.state.status).toBe("signedOut");
});
