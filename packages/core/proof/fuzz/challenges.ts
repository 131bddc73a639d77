import fc from "fast-check";
import { isRefusal } from "../../src/refusal.ts";
import { demand } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";

interface Parameter {
  readonly name: string;
  readonly value: string;
  /** Quotes it needs: a token may go without. */
  readonly quoted: boolean;
  readonly equals: string;
}

interface Challenge {
  readonly scheme: string;
  readonly parameters: readonly Parameter[];
}

const INCURABLE = [
  "insufficient_scope",
  "insufficient_user_authentication",
  "invalid_dpop_proof",
  "use_dpop_nonce",
];
const CODES = [...INCURABLE, "invalid_token", "insufficient_scopes", "INSUFFICIENT_SCOPE"];

const parameter: fc.Arbitrary<Parameter> = fc.record({
  name: fc.constantFrom(
    "error",
    "ERROR",
    "realm",
    "error_description",
    "error_uri",
    "scope",
    "x-error",
    "my_error",
    "nonce",
  ),
  value: fc.oneof(
    { arbitrary: fc.constantFrom(...CODES), weight: 3 },
    fc.constantFrom(
      "api",
      "",
      'a "b"',
      "error=insufficient_scope",
      ', error="insufficient_scope"',
      "\\",
      '\\"',
      "=,",
    ),
    fc.string(),
  ),
  quoted: fc.boolean(),
  equals: fc.constantFrom("=", "=", "=", " = ", "= ", "\t="),
});

const challenges: fc.Arbitrary<readonly Challenge[]> = fc.array(
  fc.record({
    scheme: fc.constantFrom("Bearer", "DPoP", "Basic", "bearer"),
    parameters: fc.array(parameter, { maxLength: 5 }),
  }),
  { minLength: 1, maxLength: 4 },
);

// @see https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
function written({ scheme, parameters }: Challenge): string {
  const list = parameters.map(
    ({ name, value, quoted, equals }) => name + equals + writtenValue(value, quoted),
  );
  return [scheme, list.join(", ")].join(" ");
}

function writtenValue(value: string, quoted: boolean): string {
  const isToken = /^[-!#$%&'*+.^_`|~\w]+$/.test(value);
  return isToken && !quoted ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`;
}

function isIncurable({ parameters }: Challenge): boolean {
  return parameters.some(
    ({ name, value }) => /^error$/i.test(name) && INCURABLE.includes(value.toLowerCase()),
  );
}

const near = fc
  .tuple(
    challenges,
    fc.array(fc.tuple(fc.nat(), fc.constantFrom("", '"', "\\", ",", "=", " ", "\u0000", "\u00e9", "error"))),
  )
  .map(([list, cuts]) =>
    cuts.reduce((text, [at, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + 1);
    }, list.map(written).join(", ")),
  );

function judged(field: string | null, status = 401): boolean {
  const answer = { status, field: () => field, response: undefined };
  return isRefusal(answer, "https://api.test/me");
}

/** What a resource server says of a refusal. */
export const refusals: readonly Property[] = [
  propertyOf(
    "a WWW-Authenticate field: no refusal exactly where an error in it cannot be cured",
    challenges,
    (list) => {
      const field = list.map(written).join(", ");
      demand(judged(field) === !list.some(isIncurable), `judged ${judged(field)}`, field);
    },
  ),
  propertyOf("a broken WWW-Authenticate field: judged, and without it a refusal", near, (field) => {
    demand(typeof judged(field) === "boolean", "no verdict");
    demand(!judged(field, 403), "a 403 is a refusal");
    demand(judged(null), "a 401 without a challenge is none");
  }),
];
