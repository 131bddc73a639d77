import fc from "fast-check";
import { jwtExpiresAt } from "../../src/jwt.ts";
import { demand } from "./conversation.ts";
import { type Property, propertyOf } from "./property.ts";

const time = fc.oneof(
  fc.constantFrom<unknown>(1e308, -1e308, 1e306, "1700000000", null, Number.MAX_SAFE_INTEGER, true, {}, []),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);
const claims = fc.record(
  { exp: time, iat: time, sub: fc.string({ unit: "grapheme" }) },
  { requiredKeys: [] },
);
const payloads = fc.oneof(
  { arbitrary: claims.map((value) => JSON.stringify(value)), weight: 4 },
  fc.json(),
  fc.constantFrom('{"__proto__":{"exp":1}}', '{"exp":1e400}', "null", "[1]", ""),
);
const tokens = fc
  .record({
    payload: payloads,
    before: fc.constantFrom("e30.", "e30.", "e30.", "", ".", ".."),
    after: fc.constantFrom(".c2ln", ".c2ln", ".c2ln", "", "=.c2ln", "\u00e9.c2ln", " .c2ln"),
    kept: fc.oneof({ arbitrary: fc.constant(1), weight: 5 }, fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map(({ payload, before, after, kept }) => {
    const body = Buffer.from(payload).toString("base64url");
    return before + body.slice(0, Math.ceil(body.length * kept)) + after;
  });

const seconds = fc.integer({ min: 0, max: 4_000_000_000 });

/** What an access token says of itself. */
export const jwts: readonly Property[] = [
  propertyOf("a JWT, or what looks like one: a time, or nothing", tokens, (token) => {
    const at = jwtExpiresAt(token);
    demand(at === undefined || Number.isFinite(at), String(at), token);
  }),
  propertyOf(
    "a JWT that says when it expires, whatever else it says: then",
    fc.tuple(seconds, fc.jsonValue()),
    ([exp, sub]) => {
      const token = `e30.${Buffer.from(JSON.stringify({ sub, exp })).toString("base64url")}.c2ln`;
      demand(jwtExpiresAt(token) === exp * 1000, String(jwtExpiresAt(token)), token);
    },
  ),
];
