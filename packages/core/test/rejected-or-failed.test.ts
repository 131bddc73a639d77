import type { SessionOptions } from "@freshtoken/core";
import { createServer, type Fault, ledger } from "@freshtoken/testing";
import { expect, test } from "vitest";
import { clientOf, createClock, sessionOn } from "./support.ts";

/** What came of one refresh: the error's code, the state after it, and how often the server was asked. */
async function refreshed(options: Partial<SessionOptions>, fault: Fault = {}): Promise<unknown[]> {
  const [server, clock] = [createServer(), createClock()];
  server.always("token", fault);
  const { session } = sessionOn(server, { clock, ...options });
  await session.signIn(server.signIn());
  const code = session.refresh().then(
    () => "refreshed",
    (error) => error.code,
  );
  await clock.advance(60_000);
  return [await code, session.state.status, ledger(server.log).attempts];
}

const REJECTED = ["ERR_REFRESH_REJECTED", "signedOut", 1];
const FAILED_AT_ONCE = ["ERR_REFRESH_FAILED", "signedIn", 1];
const FAILED_AFTER_3 = ["ERR_REFRESH_FAILED", "signedIn", 3];

test.each<[string, Fault]>([
  ["invalid_grant", { error: "invalid_grant" }],
  ["invalid_token", { error: "invalid_token" }],
  ["interaction_required", { error: "interaction_required" }],
  ["login_required", { error: "login_required" }],
  ["invalid_grant in a 200", { status: 200, json: { error: "invalid_grant" } }],
  ["invalid_grant in a 500", { status: 500, json: { error: "invalid_grant" } }],
  ["invalid_token in a 401", { status: 401, json: { error: "invalid_token" } }],
  ["a 400 without a code", { status: 400 }],
  ["a 401 without a code", { status: 401 }],
  ["a 403 without a code", { status: 403 }],
  ["a 400 that is not an object", { status: 400, json: "no" }],
  ["a 401 with a framework's own word", { status: 401, json: { error: "Unauthorized" } }],
  ["a 403 with a framework's own word", { status: 403, json: { error: "Forbidden" } }],
  ["a 400 with a framework's own object", { status: 400, json: { error: { code: 4 } } }],
])("ends the session for %s", async (_, fault) => {
  expect(await refreshed({}, fault)).toStrictEqual(REJECTED);
});

test("ends the session when refresh returns null", async () => {
  expect(await refreshed({ refresh: async () => null })).toStrictEqual([
    "ERR_REFRESH_REJECTED",
    "signedOut",
    0,
  ]);
});

test.each<[string, Fault]>([
  ["408", { status: 408 }],
  ["425", { status: 425 }],
  ["429", { status: 429 }],
  ["500", { status: 500 }],
  ["502", { status: 502 }],
  ["503", { status: 503 }],
  ["504", { status: 504 }],
  ["temporarily_unavailable", { error: "temporarily_unavailable" }],
  ["server_error", { status: 500, json: { error: "server_error" } }],
  ["HTML with a 400", { status: 400, html: true }],
  ["HTML with a 401", { status: 401, html: true }],
  ["HTML with a 403", { status: 403, html: true }],
  ["HTML with a 200", { html: true }],
  ["a page without a content type", { status: 403, body: "  <html><p>blocked" }],
  ["a connection reset before the server acted", { reset: "before" }],
])("keeps the session and tries again in the round for %s", async (_, fault) => {
  expect(await refreshed({}, fault)).toStrictEqual(FAILED_AFTER_3);
});

test("keeps the session when the server does not answer in time", async () => {
  expect(await refreshed({}, { hang: "before" })).toStrictEqual(FAILED_AFTER_3);
});

test.each<[string, Fault]>([
  ["invalid_client", { error: "invalid_client" }],
  ["unauthorized_client", { error: "unauthorized_client" }],
  ["invalid_scope", { error: "invalid_scope" }],
  ["invalid_request", { error: "invalid_request" }],
  ["unsupported_grant_type", { error: "unsupported_grant_type" }],
  ["invalid_client in a 200", { status: 200, json: { error: "invalid_client" } }],
  ["a 404", { status: 404 }],
  ["a token response without an access token", { json: { token_type: "Bearer" } }],
  ["an empty answer", { status: 200 }],
  ["an empty object", { json: {} }],
  ["a number", { json: 7 }],
  ["an array", { json: ["a1"] }],
  ["text that is not JSON", { body: "access_token=a1" }],
  ["an unknown token_type", { merge: { token_type: "MAC" } }],
  ["a token with a line break", { merge: { access_token: "a1\r\nx: y" } }],
  ["a token that is not a string", { merge: { access_token: { a: 1 } } }],
])("keeps the session and does not try again in the round for %s", async (_, fault) => {
  expect(await refreshed({}, fault)).toStrictEqual(FAILED_AT_ONCE);
});

test.each<[string, () => unknown, string]>([
  ["undefined", () => undefined, "signedIn"],
  ["a string", () => "a1", "signedIn"],
  ["an empty object", () => ({}), "signedIn"],
  ["a token set without an access token", () => ({ refreshToken: "r1" }), "signedIn"],
  ["an OAuth error body", () => ({ error: "invalid_grant" }), "signedOut"],
  ["an OAuth error body about the client", () => ({ error: "invalid_client" }), "signedIn"],
])("is not misled when refresh returns %s", async (_, made, status) => {
  const code = status === "signedIn" ? "ERR_REFRESH_FAILED" : "ERR_REFRESH_REJECTED";

  expect(await refreshed({ refresh: async () => made() as never })).toStrictEqual([code, status, 0]);
});

test("never sends `Bearer undefined`, nor asks in a loop, when a token response has no access token", async () => {
  const [server, clock] = [createServer(), createClock()];
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());
  server.expire();
  server.always("token", { merge: { access_token: undefined, refresh_token: undefined } });
  const api = clientOf(session, server);

  const codes = [await api("/1").catch(({ code }) => code), await api("/2").catch(({ code }) => code)];

  expect(codes).toStrictEqual(["ERR_REFRESH_FAILED", "ERR_REFRESH_FAILED"]);
  expect(server.log.filter(({ at }) => at === "resource")).toMatchObject([{ token: "a0" }, { token: "a0" }]);
  expect(ledger(server.log)).toMatchObject({ attempts: 1, requests: 2, refusals: 2 });
});

const thrown = (properties: object) => () => Promise.reject(Object.assign(new Error("failed"), properties));
const json = { "content-type": "application/json" };

test.each<[string, () => Promise<never>, string]>([
  ["fetch: nothing", () => Promise.reject(new TypeError("fetch failed")), "signedIn"],
  [
    "axios: a 400 with invalid_grant",
    thrown({ response: { status: 400, data: { error: "invalid_grant" } } }),
    "signedOut",
  ],
  ["axios: a 401 without a code", thrown({ response: { status: 401, data: "", headers: {} } }), "signedOut"],
  ["axios: a 503", thrown({ response: { status: 503, data: "", headers: {} } }), "signedIn"],
  ["axios: a 403 of HTML", thrown({ response: { status: 403, data: "<html>", headers: {} } }), "signedIn"],
  ["axios: a network error", thrown({ code: "ERR_NETWORK" }), "signedIn"],
  [
    "axios: an error of the client",
    thrown({ response: { status: 401, data: { error: "invalid_client" } } }),
    "signedIn",
  ],
  [
    "ky: a 400 with invalid_grant read",
    thrown({ response: new Response("", { status: 400 }), data: { error: "invalid_grant" } }),
    "signedOut",
  ],
  [
    "ky: a 400 with invalid_grant unread",
    thrown({ response: Response.json({ error: "invalid_grant" }, { status: 400 }) }),
    "signedOut",
  ],
  [
    "ky: a 400 with invalid_scope unread",
    thrown({ response: Response.json({ error: "invalid_scope" }, { status: 400 }) }),
    "signedIn",
  ],
  ["ky: a 429", thrown({ response: new Response("", { status: 429 }) }), "signedIn"],
  [
    "oauth4webapi: a response body error",
    thrown({ error: "invalid_grant", status: 400, cause: { error: "invalid_grant" } }),
    "signedOut",
  ],
  [
    "oauth4webapi: a client error",
    thrown({ error: "invalid_client", status: 401, cause: { error: "invalid_client" } }),
    "signedIn",
  ],
  [
    "oauth4webapi: an unexpected response",
    thrown({ cause: new Response("{}", { status: 500, headers: json }) }),
    "signedIn",
  ],
  [
    "oauth4webapi: a challenge",
    thrown({ status: 401, cause: [{ scheme: "bearer", parameters: { error: "invalid_token" } }] }),
    "signedOut",
  ],
  ["a string", () => Promise.reject("no"), "signedIn"],
  ["nothing at all", () => Promise.reject(undefined), "signedIn"],
])("finds status and code on what refresh throws. %s", async (_, refresh, status) => {
  const [, after] = await refreshed({ refresh });

  expect(after).toBe(status);
});

test("tells synchronous throws of refresh from nothing else", async () => {
  const refresh = () => {
    throw new Error("not yet configured");
  };

  expect(await refreshed({ refresh })).toStrictEqual(["ERR_REFRESH_FAILED", "signedIn", 0]);
});

test.each<[string, SessionOptions["isRejection"], Fault, string]>([
  ["true ends the session", () => true, { status: 503 }, "signedOut"],
  ["false keeps it", () => false, { error: "invalid_grant" }, "signedIn"],
  ["undefined leaves it to the rule", () => undefined, { error: "invalid_grant" }, "signedOut"],
  [
    "a throw leaves it to the rule",
    () => {
      throw new Error("mine");
    },
    { status: 503 },
    "signedIn",
  ],
])("is overruled by isRejection: %s", async (_, isRejection, fault, status) => {
  const [, after] = await refreshed({ isRejection }, fault);

  expect(after).toBe(status);
});

test.each<[string, Fault]>([
  ["503", { status: 503 }],
  ["invalid_grant", { error: "invalid_grant" }],
])("shows isRejection the status and code of a Response: %s", async (_, fault) => {
  const shown: unknown[] = [];
  const isRejection = (error: unknown) => {
    shown.push({ ...(error as Error) });
    return true;
  };

  await refreshed({ isRejection }, fault);

  expect(shown).toStrictEqual([{ name: "AnswerError", status: fault.status ?? 400, code: fault.error }]);
});

test("keeps the refresh token that a server rotated in an answer that cannot be used", async () => {
  const [server, clock] = [createServer(), createClock()];
  server.next("token", { merge: { token_type: "MAC" } });
  const { session } = sessionOn(server, { clock });
  await session.signIn(server.signIn());

  const code = await session.refresh().catch((error) => error.code);

  expect(code).toBe("ERR_REFRESH_FAILED");
  expect((await session.refresh()).accessToken).toBe("a2");
  expect(ledger(server.log)).toMatchObject({ refreshes: 2, reuses: 0 });
});
