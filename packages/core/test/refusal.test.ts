import { expect, test } from "vitest";
import { type Answer, isRefusal } from "../src/refusal.ts";

const REQUESTED = "https://api.example.com/me";

function answered(
  challenge: string | null,
  { status = 401, url }: { status?: number; url?: string } = {},
): Answer {
  const field = (name: string) => (name === "www-authenticate" ? challenge : null);
  return { status, url, field, response: undefined };
}

test.each([
  ["none", null],
  ["an empty one", ""],
  ["Bearer alone", "Bearer"],
  ["a realm", 'Bearer realm="api"'],
  ["an invalid token", 'Bearer error="invalid_token", error_description="The access token expired"'],
  ["an invalid request", 'Bearer error="invalid_request"'],
  ["another scheme", 'Basic realm="api"'],
  ["nonsense", '"=,,;;\\" error'],
  ["a longer code", 'Bearer error="insufficient_scopes"'],
  ["a code of another name", 'Bearer my_error="insufficient_scope"'],
  ["a name with a hyphen", 'Bearer x-error="insufficient_scope"'],
  ["the code as a description", 'Bearer error="invalid_token", error_description="insufficient_scope"'],
  ["the code as a realm", 'Bearer realm="insufficient_scope", error="invalid_token"'],
  ["a whole parameter in a realm", 'Bearer realm="see error=insufficient_scope", error="invalid_token"'],
  [
    "a whole parameter in a description, with quotes",
    'Bearer error="invalid_token", error_description="not error=\\"insufficient_scope\\""',
  ],
  ["a whole parameter after a comma in a realm", 'Bearer realm="a, error=insufficient_scope"'],
  [
    "an error_uri that carries it",
    'Bearer error="invalid_token", error_uri="https://e.test/?error=insufficient_scope"',
  ],
])("takes a 401 for a refusal, whatever else the challenge says: %s", (_, challenge) => {
  expect(isRefusal(answered(challenge), REQUESTED)).toBe(true);
});

test.each([
  ["insufficient scope", 'Bearer error="insufficient_scope", scope="admin"'],
  ["a stronger sign-in", 'Bearer error="insufficient_user_authentication", acr_values="mfa"'],
  ["a nonce, which the scheme did not have", 'DPoP error="use_dpop_nonce", algs="ES256"'],
  ["another proof", 'DPoP algs="ES256", error="invalid_dpop_proof"'],
  ["unquoted", "Bearer error=insufficient_scope"],
  ["unquoted, with more after it", "Bearer error=insufficient_scope, scope=admin"],
  ["spaced", 'Bearer  error = "insufficient_scope"'],
  ["in capitals", 'BEARER ERROR="INSUFFICIENT_SCOPE"'],
  ["after other parameters", 'Bearer realm="api", error="insufficient_scope"'],
  ["without a space after the comma", 'Bearer realm="api",error="insufficient_scope"'],
  ["after a realm with an escaped quote", 'Bearer realm="the \\"api\\"", error="insufficient_scope"'],
  ["after a realm with a comma", 'Bearer realm="one, two", error="insufficient_scope"'],
  ["in the second of two challenges", 'Basic realm="api", Bearer error="insufficient_scope"'],
  ["in the first of two challenges", 'Bearer error="insufficient_scope", Basic realm="api"'],
  ["in another scheme's", 'DPoP error="insufficient_scope", algs="ES256"'],
  ["after a token68", 'Negotiate YWJj==, Bearer error="insufficient_scope"'],
])("takes no 401 for a refusal that says new tokens cannot help: %s", (_, challenge) => {
  expect(isRefusal(answered(challenge), REQUESTED)).toBe(false);
});

test.each([200, 204, 302, 400, 403, 407, 419, 500, 0])("takes no %i for a refusal", (status) => {
  expect(isRefusal(answered('Bearer error="invalid_token"', { status }), REQUESTED)).toBe(false);
});

test.each<[requested: string | URL, answeredBy: string | undefined, expected: boolean]>([
  [REQUESTED, undefined, true],
  [REQUESTED, "", true],
  [REQUESTED, REQUESTED, true],
  [REQUESTED, "https://api.example.com/elsewhere?page=2", true],
  [REQUESTED, "https://API.example.com:443/me", true],
  [new URL(REQUESTED), REQUESTED, true],
  ["/me", REQUESTED, true],
  [REQUESTED, "https://login.example.com/me", false],
  [REQUESTED, "https://example.com/me", false],
  [REQUESTED, "http://api.example.com/me", false],
  [REQUESTED, "https://api.example.com:8443/me", false],
  [REQUESTED, "https://api.example.com.evil/me", false],
  [REQUESTED, "https://api.example.com@evil/me", false],
  [REQUESTED, "not a url", true],
])("asks whether who was asked has answered: %s, by %s: %s", (requested, url, expected) => {
  expect(isRefusal(answered(null, url === undefined ? {} : { url }), requested)).toBe(expected);
});
