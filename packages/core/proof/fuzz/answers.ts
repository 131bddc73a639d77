import fc from "fast-check";
import { RefreshRejectedError } from "../../src/errors.ts";
import { type Account, converse, demand } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";
import { prepare, recipes } from "./recipe.ts";
import { brought, held } from "./secrets.ts";

/** An answer of the token endpoint, in its parts. */
interface Parts {
  readonly status: number;
  readonly type: string | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
  /** Breaks off in the middle, and says nothing more. */
  readonly hangs: boolean;
}

/** What rule 9 makes of an answer. */
type Verdict = "renewed" | "rejected" | "failed";

const REJECTING = ["invalid_grant", "invalid_token", "interaction_required", "login_required"];
const FAILING = [
  "invalid_client",
  "unauthorized_client",
  "invalid_scope",
  "invalid_request",
  "unsupported_grant_type",
  "temporarily_unavailable",
  "server_error",
  "slow_down",
];
const words = [...REJECTING, ...FAILING, "Unauthorized", "invalid", "INVALID_GRANT", " invalid_grant"];

const tokens = fc.oneof(
  { arbitrary: fc.constantFrom(brought.accessToken, brought.refreshToken), weight: 6 },
  fc.constantFrom("", `${brought.accessToken}\n`, "\u00e9", "\ufeffa", " ", null, 7, true, [], {}),
);
const members = fc.record(
  {
    access_token: tokens,
    token_type: fc.constantFrom("Bearer", "bearer", "BEARER", "", "DPoP", "N_A", null, 7),
    expires_in: fc.constantFrom(3600, "3600", 0, -1, 1e308, "1e3", "9".repeat(400), null, {}),
    refresh_token: tokens,
    scope: fc.constantFrom("read", "", 7, ["read"]),
    id_token: fc.constantFrom(held.idToken, 7),
    error: fc.constantFrom<unknown>(...words, "", 7, {}, null),
    extra: fc.jsonValue(),
  },
  { requiredKeys: [] },
);
const nested = fc.constantFrom(1, 7, 100, 20_000).map((depth) => "[".repeat(depth) + "]".repeat(depth));
const hostile = fc.constantFrom(
  `{"access_token":"${brought.accessToken}","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}`,
  `{"__proto__":{"access_token":"${brought.accessToken}"}}`,
  `{"access_token":"${brought.accessToken}","extra":{"\\u0000":"\\ud800"}}`,
  `{"access_token":"${"a".repeat(65_536)}"}`,
  `access_token=${brought.accessToken}&refresh_token=${brought.refreshToken}`,
  "null",
  "[]",
  "7",
  `"${brought.accessToken}"`,
  "<!doctype html><title>Sign in</title>",
  "\n <html>",
  "",
);
const texts = fc.oneof(
  { arbitrary: members.map((value) => JSON.stringify(value)), weight: 8 },
  hostile,
  nested,
  nested.map((text) => `{"access_token":"${brought.accessToken}","extra":${text}}`),
);
const bodies = fc
  .record({
    text: texts,
    before: fc.constantFrom("", "", "", "", "\ufeff", " \n", "\ufeff\ufeff", ")]}'\n", "\u0000"),
    kept: fc.oneof({ arbitrary: fc.constant(1), weight: 5 }, fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map(({ text, before, kept }) => before + text.slice(0, Math.ceil(text.length * kept)));

const parts: fc.Arbitrary<Parts> = fc.record({
  status: fc.oneof(
    { arbitrary: fc.constant(200), weight: 4 },
    fc.constantFrom(201, 299, 300, 304, 400, 401, 403, 404, 408, 418, 425, 429, 500, 502, 503, 504, 599),
  ),
  type: fc.oneof(
    { arbitrary: fc.constantFrom("application/json", undefined), weight: 4 },
    fc.constantFrom(
      "text/html",
      "TEXT/HTML; charset=utf-8",
      "application/json; charset=utf-16",
      "text/plain",
    ),
    fc.constantFrom("", ";", "application/x-www-form-urlencoded", "application/xhtml+xml"),
  ),
  retryAfter: fc.option(fc.constantFrom("1", "0", "-1", "9".repeat(400), "soon", "1e9"), {
    nil: undefined,
    freq: 5,
  }),
  body: bodies,
  hangs: fc.nat(40).map((draw) => draw === 40),
});

function responseOf({ status, type, retryAfter, body, hangs }: Parts): Response {
  const headers = new Headers({
    ...(type !== undefined && { "content-type": type }),
    ...(retryAfter !== undefined && { "retry-after": retryAfter }),
  });
  if (status === 304) return new Response(null, { status, headers });
  return new Response(hangs ? unending(body) : new TextEncoder().encode(body), { status, headers });
}

function unending(text: string): ReadableStream {
  return new ReadableStream({ start: (stream) => stream.enqueue(new TextEncoder().encode(text)) });
}

// Rule 9 once more, as short as it can be said. The code in the sources takes another way to it.
async function expected(given: Parts): Promise<Verdict> {
  const { status, type = "", hangs } = given;
  if (hangs && status !== 304) return "failed";
  // The platform takes byte order marks off.
  const text = await responseOf(given).text();
  const { error, ...value } = Object(parsed(text));
  if (REJECTING.includes(error)) return "rejected";
  if (FAILING.includes(error)) return "failed";
  if (/(?:^|\W)html(?:\W|$)/i.test(type) || text.trimStart().startsWith("<")) return "failed";
  if ([400, 401, 403].includes(status)) return "rejected";
  return status >= 200 && status < 300 && isUsable(value) ? "renewed" : "failed";
}

function isUsable({ access_token, refresh_token, token_type }: Record<string, unknown>): boolean {
  const isAbsent = (value: unknown) => value === undefined || value === null || value === "";
  const isLegal = (value: unknown) =>
    typeof value === "string" && /^[ -~]+$/.test(value) && value.trim() !== "";
  const isBearer = typeof token_type !== "string" || token_type === "" || /^bearer$/i.test(token_type);
  return isLegal(access_token) && (isAbsent(refresh_token) || isLegal(refresh_token)) && isBearer;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function verdictOf({ asked, state }: Account): Verdict {
  if ("value" in Object(asked)) return "renewed";
  return state.status === "signedOut" ? "rejected" : "failed";
}

const NAMES = [
  ...["access_token", "refresh_token", "token_type", "expires_in", "scope", "id_token", "error"],
  ...["accessToken", "refreshToken", "tokenType", "expiresAt", "issuedAt", "idToken", "extra"],
  ...["status", "headers", "text", "bodyUsed", "then", "get"],
];
const VALUES = [
  ...[brought.accessToken, brought.refreshToken, "Bearer", "DPoP", "3600", "", `${brought.accessToken}\r\n`],
  ...[3600, 0, -1, 1e308, 1_700_000_000_000, 1_800_000_000_000, 200, 400, "invalid_grant", "server_error"],
];

/** What `refresh` returns. */
export const answers: readonly Property[] = [
  propertyOf("a token response: renewed, rejected or failed, as its parts say", parts, async (given) => {
    const account = await converse(() => responseOf(given));
    const verdict = verdictOf(account);
    const right = await expected(given);
    demand(verdict === right, `${verdict}, not ${right}`, account.asked);
    const { error } = Object(account.asked);
    demand((verdict === "rejected") === error instanceof RefreshRejectedError, "another error", error);
  }),
  propertyOf(
    "any value that refresh returns: tokens or an error of the session",
    recipes(NAMES, VALUES),
    async (recipe) => {
      const { asked } = await converse(() => prepare(recipe));
      const { expiresAt = 0 } = Object(Object(asked).value);
      demand(Number.isFinite(expiresAt), `expires at ${expiresAt}`);
    },
  ),
];
