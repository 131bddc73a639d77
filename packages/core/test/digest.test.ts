import { inspect } from "node:util";
import axios from "axios";
import ky from "ky";
import * as oauth from "oauth4webapi";
import { expect, test, vi } from "vitest";
import { digest } from "../src/digest.ts";
import type { TokenSet } from "../src/tokens.ts";

const ACCESS = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhMCJ9.c2lnbmF0dXJlLW9mLWEw";
const REFRESH = "0.AXkA+refresh/token=of~r0-0123456789";
const ID = "eyJpZCI6ImkwIn0.aWRlbnRpdHk.bm9ib2R5LWVsc2U";
const EXTRA = "device-secret-5d41402abc4b2a76";
const known = [
  { accessToken: ACCESS, refreshToken: REFRESH, idToken: ID, extra: { device: EXTRA, count: 7 } },
];
const secrets = [ACCESS, REFRESH, ID, EXTRA];

// Every run of eight characters of a token, as it is and as it stands in a URL.
const parts = secrets.flatMap((secret) =>
  [secret, encodeURIComponent(secret)].flatMap((text) =>
    Array.from({ length: text.length - 7 }, (_, at) => text.slice(at, at + 8)),
  ),
);

// All that a log, a debugger or a report to a server can show of an error.
function allOf(error: Error): string {
  const own = Object.getOwnPropertyNames(error).map((name) => (error as never)[name]);
  return [inspect(error, { depth: 20, showHidden: true }), JSON.stringify(error), String(error), ...own].join(
    "\n",
  );
}

function leaks(error: unknown): string[] {
  const shown = allOf(digest(error, known));
  return parts.filter((part) => shown.includes(part));
}

const carrying = (properties: object) => Object.assign(new Error("refused"), properties);
const request = new Request("https://auth.test/token", { headers: { authorization: `Bearer ${ACCESS}` } });

test.each<[string, unknown]>([
  ["a message", new Error(`refused ${ACCESS} for ${REFRESH}, ${ID} and ${EXTRA}`)],
  ["a message, quoted", new Error(`Invalid header value "Bearer ${ACCESS}"`)],
  ["a message, its first characters", new Error(`refused ${ACCESS.slice(0, 8)}…`)],
  ["a message, its last characters", new Error(`refused …${ACCESS.slice(-8)}`)],
  ["a message, from the middle", new Error(`refused …${ACCESS.slice(20, 30)}…`)],
  ["a message, in two halves", new Error(`${ACCESS.slice(0, 20)} ${ACCESS.slice(20)}`)],
  ["a message, next to a part of itself", new Error(`${ACCESS}${ACCESS.slice(0, 12)}`)],
  ["a message, url-encoded", new Error(`GET /token?refresh_token=${encodeURIComponent(REFRESH)} failed`)],
  ["a message, in a form", new Error(new URLSearchParams({ refresh_token: REFRESH }).toString())],
  ["a name", carrying({ name: `Error of ${ACCESS}` })],
  ["a code", carrying({ code: ACCESS })],
  ["a code that is an object", carrying({ code: { toString: () => ACCESS } })],
  ["a stack", carrying({ stack: `Error: refused\n    at ${ACCESS} (https://auth.test/?${REFRESH}:1:1)` })],
  ["a cause", new Error("refused", { cause: new Error(ACCESS) })],
  ["a cause's code", new Error("refused", { cause: { code: ACCESS } })],
  ["a string", `refused ${REFRESH}`],
  ["an object", { message: `refused ${REFRESH}` }],
  ["an object that says so", { toString: () => `refused ${REFRESH}` }],
  ["a list of errors", new AggregateError([new Error(ACCESS)], REFRESH)],
  ["axios's config", carrying({ config: { headers: { authorization: `Bearer ${ACCESS}` }, data: REFRESH } })],
  [
    "axios's request and response",
    carrying({ request, response: { status: 400, data: REFRESH, config: {} } }),
  ],
  [
    "ky's request, options and data",
    carrying({ request, options: { json: { t: REFRESH } }, data: { t: REFRESH } }),
  ],
  ["oauth4webapi's description", carrying({ error: "invalid_grant", error_description: REFRESH })],
  ["a field of its own", carrying({ token: ACCESS, [ACCESS]: 1, [Symbol(ACCESS)]: ACCESS })],
  ["a toJSON", carrying({ toJSON: () => ACCESS })],
  ["an inspection", carrying({ [inspect.custom]: () => ACCESS })],
])("shows no token, nor eight characters of one, that hides in %s", (_, error) => {
  expect(leaks(error)).toStrictEqual([]);
});

test("clears a token whose neighbours differ, and nothing around it", () => {
  const { message } = digest(new Error(`[${ACCESS}] <${REFRESH}> x${ID.slice(4, 20)}y`), known);

  expect(message).toBe("[[token]] <[token]> x[token]y");
});

test("keeps what is shorter than eight characters of a token, which says nothing of it", () => {
  const seven = ACCESS.slice(0, 7);

  expect(digest(new Error(`refused ${seven}`), known).message).toBe(`refused ${seven}`);
});

test("clears a token of eight characters or fewer where it stands whole", () => {
  const { message } = digest(new Error("a0 refused r0, kept r"), [{ accessToken: "a0", refreshToken: "r0" }]);

  expect(message).toBe("[token] refused [token], kept r");
});

test("clears what is nested in the extra, also in lists", () => {
  const nested = [{ devices: ["short", EXTRA] }];

  const { message } = digest(new Error(`a short refusal of ${EXTRA}`), [{ extra: { nested } }]);

  expect(message).toBe("a short refusal of [token]");
});

test("reads an error also where something beside a token holds half of a surrogate pair", () => {
  const known = { accessToken: ACCESS, extra: { note: "half of \ud83d a pair" } };
  const error = new Error(`refused ${ACCESS} of half%20of%20%EF%BF%BD%20a%20pair`);

  expect(digest(error, [known]).message).toBe("refused [token] of [token]");
});

test("reads no further into an extra that contains itself", () => {
  const extra: Record<string, unknown> = { device: EXTRA };
  extra.extra = extra;

  expect(digest(new Error(`refused ${EXTRA}`), [{ extra }]).message).toBe("refused [token]");
});

test("takes no more work for a message that is huge, or for tokens that it is told twice", () => {
  const looks = vi.spyOn(String.prototype, "includes");
  const workOf = (length: number, ...tokens: TokenSet[]) => {
    looks.mockClear();
    const { message, stack } = digest(new Error("x ".repeat(length / 2)), tokens);
    return [looks.mock.calls.length, message.length, String(stack).length];
  };

  const large = workOf(10_000, ...known);
  const huge = workOf(1_000_000, ...known, ...known);
  looks.mockRestore();

  expect(large[0]).toBeGreaterThan(10_000);
  expect(huge).toStrictEqual(large);
});

test("clears the tokens of every generation it knows", () => {
  const [a0, a1] = [ACCESS, ACCESS.split("").reverse().join("")];

  expect(digest(new Error(`${a0} ${a1}`), [{ accessToken: a0 }, { accessToken: a1 }]).message).toBe(
    "[token] [token]",
  );
});

test.each([
  ["JSON.parse", () => JSON.parse('access_token="never-seen-before-1234"')],
  ["a Response", () => new Response('access_token="never-seen-before-1234"').json()],
])("says nothing of a text that could not be parsed, whose tokens nobody knows yet: %s", async (_, parse) => {
  const error = await (async () => parse())().catch((reason: unknown) => reason);

  const copy = digest(error, known);

  expect(error).toBeInstanceOf(SyntaxError);
  expect([copy.name, copy.message]).toStrictEqual(["SyntaxError", "The text could not be parsed"]);
  expect(allOf(copy)).not.toMatch(/never-se|access_t/);
});

const TOKEN_URL = "https://auth.test/token";
const form = () => new URLSearchParams({ grant_type: "refresh_token", refresh_token: REFRESH });
const headers = { authorization: `Bearer ${ACCESS}` };
const refusal = async () =>
  Response.json({ error: "invalid_grant", error_description: REFRESH }, { status: 400 });
const broken = async () =>
  new Response(`{"access_token":"${ACCESS}",`, { headers: { "content-type": "application/json" } });
const reset = async () => {
  const cause = Object.assign(new Error(`reset by ${ACCESS}`), { code: "ECONNRESET" });
  throw new TypeError(`fetch failed: ${TOKEN_URL}?refresh_token=${encodeURIComponent(REFRESH)}`, { cause });
};

const clients: [string, (answer: typeof fetch) => Promise<unknown>][] = [
  [
    "axios",
    (answer) =>
      axios.post(TOKEN_URL, form(), {
        headers,
        adapter: "fetch",
        env: { fetch: answer },
        responseType: "json",
        transitional: { silentJSONParsing: false },
      }),
  ],
  ["ky", (answer) => ky.post(TOKEN_URL, { fetch: answer, body: form(), headers, retry: 0 }).json()],
  [
    "oauth4webapi",
    async (answer) => {
      const server = { issuer: "https://auth.test", token_endpoint: TOKEN_URL };
      const client = { client_id: "web" };
      const options = { [oauth.customFetch]: answer as never };
      const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), REFRESH, options);
      return oauth.processRefreshTokenResponse(server, client, response);
    },
  ],
];

test.each(
  clients.flatMap(([client, ask]) =>
    Object.entries({ refusal, broken, reset }).map(([what, answer]) => ({ client, ask, what, answer })),
  ),
)("shows no token of an error of $client after a $what", async ({ ask, answer }) => {
  const error = await ask(answer as typeof fetch).catch((reason: unknown) => reason);

  expect(error).toBeInstanceOf(Error);
  expect(leaks(error)).toStrictEqual([]);
});

test("shows no token of the platform's error about an illegal header", () => {
  const illegal = `${ACCESS}\n`.replace("\n", "\u0000");
  let error: unknown;
  try {
    new Headers({ authorization: `Bearer ${illegal}` });
  } catch (reason) {
    error = reason;
  }

  expect(error).toBeInstanceOf(TypeError);
  expect(leaks(error)).toStrictEqual([]);
});

test("keeps name, message, code, status and stack, and nothing else", () => {
  const error = Object.assign(new TypeError("fetch failed"), { code: "ECONNRESET", status: 502, extra: 1 });

  const copy = digest(error, known);

  expect(copy).toBeInstanceOf(Error);
  expect({ ...copy, message: copy.message, stack: copy.stack, cause: copy.cause }).toStrictEqual({
    name: "TypeError",
    message: "fetch failed",
    code: "ECONNRESET",
    status: 502,
    stack: error.stack,
    cause: undefined,
  });
});

test.each<[string, unknown, object]>([
  ["a code of the cause", new Error("x", { cause: { code: "ENOTFOUND" } }), { code: "ENOTFOUND" }],
  [
    "a code of its own before that of the cause",
    carrying({ code: "A", cause: { code: "B" } }),
    { code: "A" },
  ],
  ["a code that is a number", carrying({ code: 20 }), { code: 20 }],
  ["a status of the response", carrying({ response: { status: 503 } }), { status: 503 }],
  ["no status that is not a number", carrying({ status: "503" }), {}],
])("keeps %s", (_, error, expected) => {
  const { code, status } = digest(error, known) as { code?: unknown; status?: unknown };

  expect({ ...(code !== undefined && { code }), ...(status !== undefined && { status }) }).toStrictEqual(
    expected,
  );
});

test.each<[unknown, string]>([
  [undefined, "undefined"],
  [null, "null"],
  ["a word", "a word"],
  [7, "7"],
  [{}, "[object Object]"],
  [Object.create(null), "An error that cannot be read"],
  [Object.defineProperty({}, "message", { get: thrower }), "An error that cannot be read"],
  [{ message: { toString: thrower } }, "An error that cannot be read"],
  [Symbol("x"), "Symbol(x)"],
])("makes an error of whatever was thrown: %o", (thrown, message) => {
  const copy = digest(thrown, known);

  expect(copy).toBeInstanceOf(Error);
  expect(copy.message).toBe(message);
});

test("does not change what was thrown", () => {
  const error = Object.assign(new Error(`refused ${ACCESS}`), { code: ACCESS });

  digest(error, known);

  expect([error.message, error.code]).toStrictEqual([`refused ${ACCESS}`, ACCESS]);
});

test("knows nothing of a token set without tokens", () => {
  expect(digest(new Error("a message"), [{}, { accessToken: "", extra: { empty: "" } }]).message).toBe(
    "a message",
  );
});

function thrower(): never {
  throw new Error("throws");
}

test("gives an error without a name or a stack those of an Error", () => {
  const { name, message, stack } = digest({ message: "it is down" }, known);

  expect([name, message, stack]).toStrictEqual(["Error", "it is down", "Error: it is down"]);
});

test("clears what stands beside the tokens from 8 characters on", () => {
  const tokens = { accessToken: ACCESS, extra: { long: "12345678", short: "abcdefg" } };

  expect(digest(new Error("12345678 abcdefg"), [tokens]).message).toBe("[token] abcdefg");
});
