import axios from "axios";
import ky from "ky";
import * as oauth from "oauth4webapi";
import { expect, test } from "vitest";
import { judgeError, judgeResult, retryAfter, timedOut, unusable, type Verdict } from "../src/verdict.ts";

const NOW = Date.UTC(2030, 0, 1);
const TOKEN_URL = "https://auth.test/token";
const now = () => NOW;

interface Told {
  readonly status: number;
  readonly body?: string;
  readonly type?: string;
  readonly retryAfter?: string;
}

function responseOf({ status, body = "", type = "application/json", retryAfter }: Told): Response {
  const headers = { "content-type": type, ...(retryAfter && { "retry-after": retryAfter }) };
  return new Response(status === 204 ? null : body, { status, headers });
}

// What `refresh` comes to, by the client it is written with.
const clients: Record<string, (told: Told) => Promise<unknown>> = {
  "a Response": async (told) => responseOf(told),
  async "a Response, thrown"(told) {
    throw responseOf(told);
  },
  async axios(told) {
    const answer = async () => responseOf(told);
    return (await axios.post(TOKEN_URL, "", { adapter: "fetch", env: { fetch: answer as typeof fetch } }))
      .data;
  },
  ky: (told) => ky.post(TOKEN_URL, { fetch: async () => responseOf(told), retry: 0 }).json(),
  async "ky 1"(told) {
    const response = responseOf(told);
    const said = `Request failed with status code ${told.status}: POST ${TOKEN_URL}`;
    if (!response.ok) throw Object.assign(new Error(said), { name: "HTTPError", response });
    return response.json();
  },
  async oauth4webapi(told) {
    const server = { issuer: "https://auth.test", token_endpoint: TOKEN_URL };
    return oauth.processRefreshTokenResponse(server, { client_id: "web" }, responseOf(told));
  },
};

async function verdictOf(client: string, told: Told): Promise<Verdict> {
  const judged = await clients[client]?.(told).then(
    (result) => judgeResult(result, undefined, now),
    (error) => judgeError(error, undefined, now),
  );
  if (!judged || "value" in judged) throw new Error("not a verdict");
  return judged;
}

// "rejected", or "failed" and what follows: repeated at once (lost), never in this round (permanent), or later.
function told({ type, lost, permanent }: Verdict): string {
  if (type === "rejected") return "rejected";
  return `failed, ${lost ? "lost" : permanent ? "permanent" : "passing"}`;
}

const error = (code: unknown) => JSON.stringify({ error: code, error_description: "secret" });
const statuses: [told: Told, expected: string, what: string][] = [
  [{ status: 400, body: error("invalid_grant") }, "rejected", "400 invalid_grant"],
  [{ status: 401, body: error("invalid_grant") }, "rejected", "401 invalid_grant"],
  [{ status: 400, body: error("invalid_token") }, "rejected", "400 invalid_token"],
  [{ status: 400, body: error("interaction_required") }, "rejected", "400 interaction_required"],
  [{ status: 400, body: error("login_required") }, "rejected", "400 login_required"],
  [{ status: 500, body: error("invalid_grant") }, "rejected", "500 invalid_grant"],
  [{ status: 400, body: error("invalid_client") }, "failed, permanent", "400 invalid_client"],
  [{ status: 401, body: error("invalid_client") }, "failed, permanent", "401 invalid_client"],
  [{ status: 400, body: error("unauthorized_client") }, "failed, permanent", "400 unauthorized_client"],
  [{ status: 400, body: error("invalid_scope") }, "failed, permanent", "400 invalid_scope"],
  [{ status: 400, body: error("invalid_request") }, "failed, permanent", "400 invalid_request"],
  [{ status: 403, body: error("access_denied") }, "failed, permanent", "403 access_denied"],
  [{ status: 400, body: error("temporarily_unavailable") }, "failed, passing", "400 temporarily_unavailable"],
  [{ status: 400, body: error("server_error") }, "failed, passing", "400 server_error"],
  [{ status: 400, body: error("slow_down") }, "failed, passing", "400 slow_down"],
  [{ status: 400, body: error("use_dpop_nonce") }, "failed, passing", "400 use_dpop_nonce"],
  [{ status: 401, body: error("Unauthorized") }, "rejected", "401"],
  [{ status: 401, body: error("INVALID_CLIENT") }, "rejected", "401"],
  [{ status: 400, body: error({ code: "invalid_client" }) }, "rejected", "400"],
  [{ status: 400 }, "rejected", "400"],
  [{ status: 401, body: "{}" }, "rejected", "401"],
  [{ status: 403, body: "Forbidden", type: "text/plain" }, "rejected", "403"],
  [{ status: 404, body: "{}" }, "failed, permanent", "404"],
  [{ status: 405, body: "{}" }, "failed, permanent", "405"],
  [{ status: 422, body: "{}" }, "failed, permanent", "422"],
  [{ status: 408, body: "{}" }, "failed, passing", "408"],
  [{ status: 425, body: "{}" }, "failed, passing", "425"],
  [{ status: 429, body: "{}" }, "failed, passing", "429"],
  [{ status: 500, body: "{}" }, "failed, passing", "500"],
  [{ status: 501, body: "{}" }, "failed, passing", "501"],
  [{ status: 502, body: "{}" }, "failed, lost", "502"],
  [{ status: 503, body: "{}" }, "failed, passing", "503"],
  [{ status: 504, body: "{}" }, "failed, lost", "504"],
];

const html = "\n<!doctype html><title>error: invalid_grant</title>";
const pages: [told: Told, expected: string, what: string][] = [
  [{ status: 400, body: html, type: "text/html" }, "failed, passing", "400 with a page of HTML"],
  [
    { status: 401, body: html, type: "text/html; charset=utf-8" },
    "failed, passing",
    "401 with a page of HTML",
  ],
  [{ status: 403, body: html, type: "text/plain" }, "failed, passing", "403 with a page of HTML"],
  [{ status: 401, body: "", type: "TEXT/HTML" }, "failed, passing", "401 with a page of HTML"],
  [{ status: 404, body: html, type: "text/html" }, "failed, passing", "404 with a page of HTML"],
  [{ status: 503, body: html, type: "text/html" }, "failed, passing", "503 with a page of HTML"],
  [{ status: 502, body: html, type: "text/html" }, "failed, lost", "502 with a page of HTML"],
];

const everyClient = Object.keys(clients).flatMap((client) =>
  [...statuses, ...pages].map(([answer, expected, what]) => ({ client, answer, expected, what })),
);

test.each(everyClient)(
  "judges $what, by way of $client: $expected",
  async ({ client, answer, expected, what }) => {
    const verdict = await verdictOf(client, answer);

    expect([told(verdict), verdict.what]).toStrictEqual([
      expected,
      `the authorization server answered ${what}`,
    ]);
  },
);

test.each(Object.keys(clients))("finds Retry-After by way of %s", async (client) => {
  const seconds = await verdictOf(client, { status: 503, body: "{}", retryAfter: "7" });
  const date = await verdictOf(client, { status: 429, retryAfter: "Tue, 01 Jan 2030 00:02:00 GMT" });
  const none = await verdictOf(client, { status: 503, body: "{}" });

  expect([seconds, date, none].map((verdict) => verdict.retryAfter)).toStrictEqual([
    7_000,
    120_000,
    undefined,
  ]);
});

test.each<[unknown, number | undefined]>([
  ["0", 0],
  ["120", 120_000],
  [" 120 ", 120_000],
  [120, 120_000],
  ["Tue, 01 Jan 2030 00:00:05 GMT", 5_000],
  ["Tuesday, 01-Jan-30 00:00:05 GMT", 5_000],
  ["Tue Jan  1 00:00:05 2030 GMT", 5_000],
  ["Mon, 31 Dec 2029 23:59:00 GMT", 0],
  ["-5", undefined],
  ["1.5", undefined],
  ["1e3", undefined],
  ["2030-01-01", undefined],
  ["soon", undefined],
  ["", undefined],
  [null, undefined],
  [undefined, undefined],
  [Number.NaN, undefined],
  [{}, undefined],
  [["5"], undefined],
])("reads a Retry-After of %o as %o ms", (value, expected) => {
  expect(retryAfter(value, now)).toBe(expected);
});

const codes = [
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
];

test.each([
  ...codes.map((code) => [code, "failed, passing"]),
  ["ECONNRESET", "failed, lost"],
  ["EPIPE", "failed, lost"],
  ["UND_ERR_SOCKET", "failed, lost"],
  ["UND_ERR_HEADERS_TIMEOUT", "failed, lost"],
])("judges a connection that ends in %s: %s", async (code, expected) => {
  const socket = Object.assign(new Error(code), { code });
  const errors = [new TypeError("fetch failed", { cause: socket }), socket];

  for (const error of errors) {
    const verdict = await judgeError(error, undefined, now);
    expect([told(verdict), verdict.what]).toStrictEqual([
      expected,
      "the authorization server could not be asked",
    ]);
  }
});

test.each([
  [
    "fetch, by way of axios",
    (fail: typeof fetch) => axios.post(TOKEN_URL, "", { adapter: "fetch", env: { fetch: fail } }),
  ],
  ["fetch, by way of ky", (fail: typeof fetch) => ky.post(TOKEN_URL, { fetch: fail, retry: 0 })],
])("finds out whether a request was sent from an error of %s", async (_, ask) => {
  const failing = (code: string) => async () => {
    throw new TypeError("fetch failed", { cause: Object.assign(new Error(code), { code }) });
  };
  const errors = ["ECONNREFUSED", "ECONNRESET"].map((code) =>
    ask(failing(code)).catch((error: unknown) => error),
  );

  const verdicts = await Promise.all(errors.map(async (error) => judgeError(await error, undefined, now)));

  expect(verdicts.map(told)).toStrictEqual(["failed, passing", "failed, lost"]);
});

test.each<[string, unknown]>([
  ["undefined", undefined],
  ["null", null],
  ["a string", "invalid_grant"],
  ["a number", 401],
  ["an error", new Error("invalid_grant")],
  ["a time-out", new DOMException("timed out", "TimeoutError")],
  ["a revoked proxy", revoked()],
  [
    "an error that throws when it is read",
    Object.defineProperty(new Error(), "status", { get: () => fail() }),
  ],
])("takes whatever else is thrown for a failure whose answer may be lost: %s", async (_, error) => {
  const { error: same, ...verdict } = await judgeError(error, undefined, now);

  expect(Object.is(same, error)).toBe(true);
  expect(verdict).toStrictEqual({
    type: "failed",
    what: "the authorization server could not be asked",
    lost: true,
    permanent: false,
    retryAfter: undefined,
  });
});

test("finds the code in the challenge of an error of oauth4webapi", async () => {
  const challenge = 'Bearer error="invalid_token", error_description="gone"';
  const response = new Response("{}", { status: 401, headers: { "www-authenticate": challenge } });
  const server = { issuer: "https://auth.test" };

  const error = await oauth
    .processRefreshTokenResponse(server, { client_id: "web" }, response)
    .catch((e) => e);
  const verdict = await judgeError(error, undefined, now);

  expect([told(verdict), verdict.what]).toStrictEqual([
    "rejected",
    "the authorization server answered 401 invalid_token",
  ]);
});

test.each([
  ["the error itself", { status: 400, error: "invalid_client" }],
  ["its data", { status: 400, data: { error: "invalid_client" } }],
  ["its response's data", { response: { status: 400, data: { error: "invalid_client" } } }],
  ["its cause", { status: 400, cause: { error: "invalid_client" } }],
])("finds the code in %s", async (_, properties) => {
  const verdict = await judgeError(Object.assign(new Error("refused"), properties), undefined, now);

  expect([told(verdict), verdict.what]).toStrictEqual([
    "failed, permanent",
    "the authorization server answered 400 invalid_client",
  ]);
});

test("takes null for a rejection", async () => {
  expect(await judgeResult(null, undefined, now)).toStrictEqual({
    type: "rejected",
    what: "`refresh` returned null",
    error: undefined,
    lost: false,
    permanent: true,
  });
});

test.each([
  ["invalid_grant", "rejected"],
  ["login_required", "rejected"],
  ["temporarily_unavailable", "failed, passing"],
  ["invalid_client", "failed, permanent"],
])("believes the code %s in an answer of 200: %s", async (code, expected) => {
  const answers = [responseOf({ status: 200, body: error(code) }), { error: code }];

  for (const answer of answers) {
    const verdict = await judgeResult(answer, undefined, now);
    expect("value" in verdict ? verdict : [told(verdict), verdict.what]).toStrictEqual([
      expected,
      `the authorization server answered 200 ${code}`,
    ]);
  }
});

test.each<[string, unknown, unknown]>([
  ["a token response", { access_token: "a1" }, { access_token: "a1" }],
  ["a token set", { accessToken: "a1" }, { accessToken: "a1" }],
  [
    "a framework's own error beside tokens",
    { access_token: "a1", error: "none" },
    { access_token: "a1", error: "none" },
  ],
  ["nothing", undefined, undefined],
  ["a Response", responseOf({ status: 200, body: '{"access_token":"a1"}' }), { access_token: "a1" }],
  [
    "a Response with a token set",
    responseOf({ status: 201, body: '{"accessToken":"a1"}' }),
    { accessToken: "a1" },
  ],
  ["an empty Response", responseOf({ status: 204 }), { access_token: undefined }],
  ["a Response that is not JSON", responseOf({ status: 200, body: "a1" }), { access_token: undefined }],
  ["a Response of null", responseOf({ status: 200, body: "null" }), { access_token: undefined }],
  ["a Response of an array", responseOf({ status: 200, body: "[]" }), []],
  ["a Response of a string", responseOf({ status: 200, body: '"a1"' }), "a1"],
])("passes on what is to be read as tokens: %s", async (_, result, value) => {
  expect(await judgeResult(result, undefined, now)).toStrictEqual({ value });
});

test("takes a page of HTML for a failure though it is a 200, as a captive portal's is", async () => {
  const verdict = await judgeResult(responseOf({ status: 200, body: html }), undefined, now);

  expect(verdict).toMatchObject({
    type: "failed",
    what: "the authorization server answered 200 with a page of HTML",
    lost: false,
    permanent: false,
  });
});

test("quotes nothing of the body but a registered code", async () => {
  const verdict = await verdictOf("a Response", { status: 401, body: error("a-secret-word") });

  expect(verdict.error).toMatchObject({ name: "AnswerError", message: "The token endpoint answered 401" });
  expect(JSON.stringify([verdict, Object.entries(verdict.error as object)])).not.toContain("secret");
});

test.each([
  [true, "rejected", "rejected"],
  [false, "failed, passing", "failed, permanent"],
  [undefined, "failed, passing", "rejected"],
])("lets isRejection overrule: %s", async (answer, passing, rejecting) => {
  const overrule = () => answer;

  const verdicts = await Promise.all([
    judgeError(Object.assign(new Error("busy"), { status: 503 }), overrule, now),
    judgeError(Object.assign(new Error("gone"), { status: 400, error: "invalid_grant" }), overrule, now),
  ]);

  expect(verdicts.map(told)).toStrictEqual([passing, rejecting]);
});

test("shows isRejection the error as it was thrown, or the status and code of an answer", async () => {
  const seen: unknown[] = [];
  const overrule = (error: unknown) => void seen.push(error) as undefined;
  const thrown = new Error("own");

  await judgeError(thrown, overrule, now);
  await judgeResult(responseOf({ status: 400, body: error("invalid_grant") }), overrule, now);

  expect(seen[0]).toBe(thrown);
  expect(seen[1]).toMatchObject({ name: "AnswerError", status: 400, code: "invalid_grant" });
});

test("judges as usual where isRejection throws", async () => {
  const error = Object.assign(new Error("gone"), { status: 400, error: "invalid_grant" });

  expect(told(await judgeError(error, () => fail(), now))).toBe("rejected");
});

test("takes no promise for an answer of isRejection", async () => {
  const overrule = (async () => true) as never;

  expect(told(await judgeError({ status: 503 }, overrule, now))).toBe("failed, passing");
  expect(told(await judgeError({ status: 400 }, (() => "no") as never, now))).toBe("rejected");
});

test("leaves the body of an error's response to be read by others", async () => {
  const response = responseOf({ status: 400, body: error("invalid_grant") });

  await judgeError(Object.assign(new Error("HTTPError"), { response }), undefined, now);

  expect(response.bodyUsed).toBe(false);
});

test("judges by its status an error whose response has been read", async () => {
  const response = responseOf({ status: 400, body: error("invalid_client") });
  await response.text();

  const verdict = await judgeError(Object.assign(new Error("HTTPError"), { response }), undefined, now);

  expect(told(verdict)).toBe("rejected");
});

test("says of an attempt without an answer what may be the reason", () => {
  expect(timedOut(10_000)).toMatchObject({
    type: "failed",
    what: "`refresh` did not answer within 10000 ms. If it uses a client that this session is attached to, pass that request the `signal` it was given",
    lost: true,
    permanent: false,
  });
});

test("says of tokens that cannot be used why, and does not ask again in this round", () => {
  const error = new TypeError("the access token is missing");

  expect(unusable(error)).toStrictEqual({
    type: "failed",
    what: "the token response cannot be used: the access token is missing",
    error,
    lost: false,
    permanent: true,
  });
  expect(unusable("secret").what).toBe("the token response cannot be used: the answer is a string");
});

function fail(): never {
  throw new Error("throws");
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const words = ["invalid_grant", "server_error", "invalid_client"].flatMap((code) => [`x${code}`, `${code}x`]);

test.each<[unknown]>(
  [...words, ["invalid_grant"], { toString: () => "invalid_grant" }].map((code) => [code]),
)("takes for a code only what is one, whole: %j", async (code) => {
  const verdict = await judgeError({ status: 503, data: { error: code } }, undefined, now);

  expect([told(verdict), verdict.what]).toStrictEqual([
    "failed, passing",
    "the authorization server answered 503",
  ]);
});

test.each(["XECONNREFUSED", "ECONNREFUSEDX"])(
  "takes for unsent only what says so, whole: %s",
  async (code) => {
    const verdict = await judgeError(Object.assign(new Error("failed"), { code }), undefined, now);

    expect(told(verdict)).toBe("failed, lost");
  },
);

test.each<[string, unknown, string, string]>([
  ["a response that does not say", { response: {}, cause: { status: 503 } }, "failed, passing", "503"],
  ["no challenge at all", { status: 400, cause: [] }, "rejected", "400"],
  ["a success that was thrown", { status: 204 }, "failed, passing", "204"],
  ["a choice of addresses", { status: 300 }, "failed, permanent", "300"],
  ["text with a < in it", { status: 400, data: "1 < 2" }, "rejected", "400"],
])("judges by its status an error with %s", async (_, thrown, expected, status) => {
  const verdict = await judgeError(thrown, undefined, now);

  expect([told(verdict), verdict.what]).toStrictEqual([
    expected,
    `the authorization server answered ${status}`,
  ]);
});

test("takes no tokens from a Response whose status is not one of success", async () => {
  const tokens = JSON.stringify({ access_token: "a1" });
  const answers = [new Response(tokens, { status: 300 }), Response.error()];

  const verdicts = await Promise.all(answers.map((answer) => judgeResult(answer, undefined, now)));

  expect(verdicts).toMatchObject([
    { type: "failed", what: "the authorization server answered 300" },
    { type: "failed", what: "the authorization server could not be asked" },
  ]);
});

test("says of a Response that its body was read already", async () => {
  const response = responseOf({ status: 200, body: "{}" });
  await response.text();

  expect(await judgeResult(response, undefined, now)).toMatchObject({
    type: "failed",
    what: "the token response cannot be used: the body of the Response was read already",
    permanent: true,
  });
});

const [status, headers, text] = [200, new Headers(), async () => "{}"];

test.each<[string, object]>([
  ["a status", { access_token: "a1", headers, text }],
  ["headers", { access_token: "a1", status, text }],
  ["a text", { access_token: "a1", status, headers }],
  ["headers that can be got", { access_token: "a1", status, headers: {}, text }],
])("takes for tokens what looks like a Response without %s", async (_, value) => {
  expect(await judgeResult(value, undefined, now)).toStrictEqual({ value });
});
