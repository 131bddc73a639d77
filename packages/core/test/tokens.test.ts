import { expect, test } from "vitest";
import { kindOf } from "../src/kind.ts";
import { bearer, cookie } from "../src/scheme.ts";
import { freshness, readTokens, renewedTokens, rotatedToken, type TokenSet } from "../src/tokens.ts";

const NOW = 1_700_000_000_000;
const margins = { leeway: 5_000, refreshAhead: 60_000 };

const read = (value: unknown, scheme = bearer()) => readTokens(value, scheme, NOW);

test.each<[lifetime: number, left: number, expected: string]>([
  // A long lifetime: 5 s of leeway, refreshed 60 s ahead.
  [3_600_000, 60_000, "fresh"],
  [3_600_000, 59_999, "ageing"],
  [3_600_000, 5_000, "ageing"],
  [3_600_000, 4_999, "stale"],
  [3_600_000, 0, "stale"],
  [3_600_000, -1, "stale"],
  // 240 s: a quarter of it is refreshAhead. 100 s: a twentieth of it is the leeway.
  [240_000, 60_000, "fresh"],
  [240_000, 59_999, "ageing"],
  [200_000, 50_000, "fresh"],
  [200_000, 49_999, "ageing"],
  [100_000, 25_000, "fresh"],
  [100_000, 24_999, "ageing"],
  [100_000, 5_000, "ageing"],
  [100_000, 4_999, "stale"],
  // 5 s: ageing from 1250 ms on, stale from 250 ms on.
  [5_000, 1_250, "fresh"],
  [5_000, 1_249, "ageing"],
  [5_000, 250, "ageing"],
  [5_000, 249, "stale"],
  // Issued in the future, or expired when issued: no margin is less than nothing.
  [0, 0, "fresh"],
  [0, -1, "stale"],
])("judges a token that lives %i ms, with %i ms left: %s", (lifetime, left, expected) => {
  const expiresAt = NOW + left;

  expect(freshness({ accessToken: "a0", expiresAt, issuedAt: expiresAt - lifetime }, NOW, margins)).toBe(
    expected,
  );
});

test.each([
  [60_000, "fresh"],
  [59_999, "ageing"],
  [5_000, "ageing"],
  [4_999, "stale"],
])("judges by the whole margins where the lifetime is not known: %i ms left: %s", (left, expected) => {
  expect(freshness({ accessToken: "a0", expiresAt: NOW + left }, NOW, margins)).toBe(expected);
});

test("holds a token without a known expiry for fresh, however old", () => {
  expect(freshness({ accessToken: "a0", issuedAt: 0 }, NOW, margins)).toBe("fresh");
});

test.each<[string, Parameters<typeof freshness>[2], number, string]>([
  ["no refreshAhead", { leeway: 5_000, refreshAhead: false }, 5_000, "fresh"],
  ["no refreshAhead", { leeway: 5_000, refreshAhead: false }, 4_999, "stale"],
  ["no leeway", { leeway: 0, refreshAhead: false }, 0, "fresh"],
  ["no leeway", { leeway: 0, refreshAhead: false }, -1, "stale"],
  ["a leeway longer than refreshAhead", { leeway: 90_000, refreshAhead: 60_000 }, 89_999, "stale"],
  ["a refreshAhead of nothing", { leeway: 0, refreshAhead: 0 }, 0, "fresh"],
])("judges by the margins it is given: %s, %3$i ms left: %4$s", (_, given, left, expected) => {
  expect(freshness({ accessToken: "a0", expiresAt: NOW + left }, NOW, given)).toBe(expected);
});

test("reads a token response", () => {
  const tokens = read({
    access_token: "a0",
    token_type: "bearer",
    expires_in: 300,
    refresh_token: "r0",
    scope: "read write",
    id_token: "i0",
    tenant: "acme",
  });

  expect(tokens).toStrictEqual({
    accessToken: "a0",
    refreshToken: "r0",
    tokenType: "bearer",
    expiresAt: NOW + 300_000,
    issuedAt: NOW,
    scope: "read write",
    idToken: "i0",
    extra: { tenant: "acme" },
  });
});

test("reads a token set, and leaves out what it does not say", () => {
  const set = {
    accessToken: "a0",
    refreshToken: undefined,
    scope: "",
    unknown: 1,
    extra: { tenant: "acme" },
  };

  expect(read(set)).toStrictEqual({ accessToken: "a0", extra: { tenant: "acme" } });
});

test("gives a token set that does not say when it was issued the time it came", () => {
  expect(read({ accessToken: "a0", expiresAt: NOW + 1 })).toStrictEqual({
    accessToken: "a0",
    expiresAt: NOW + 1,
    issuedAt: NOW,
  });
});

test("gives a token set that has expired before it came no time of issue", () => {
  expect(read({ accessToken: "a0", expiresAt: NOW })).toStrictEqual({ accessToken: "a0", expiresAt: NOW });
});

test("gives out tokens that nobody can change", () => {
  const response = { access_token: "a0", tenant: "acme" };
  const tokens = read(response);
  const set = read({ accessToken: "a0", extra: response });

  expect([tokens, tokens.extra, set, set.extra].map(Object.isFrozen)).toStrictEqual([true, true, true, true]);
  expect(Object.isFrozen(response)).toBe(false);
});

test.each<[unknown, number | undefined]>([
  [1, 1_000],
  [0.5, 500],
  [3600, 3_600_000],
  ["3600", 3_600_000],
  [315_360_000, 315_360_000_000],
  [315_360_001, undefined],
  [315_360_000.001, undefined],
  [Number.MAX_SAFE_INTEGER, undefined],
  [Number.POSITIVE_INFINITY, undefined],
  [Number.NaN, undefined],
  [0, undefined],
  [-0, undefined],
  [-1, undefined],
  ["0", undefined],
  ["-1", undefined],
  ["", undefined],
  [" 60 ", undefined],
  ["1e3", undefined],
  ["0x10", undefined],
  ["soon", undefined],
  [null, undefined],
  [undefined, undefined],
  [true, undefined],
  [[60], undefined],
  [{ valueOf: () => 60 }, undefined],
])("reads an expires_in of %o as a lifetime of %o ms", (expires_in, lifetime) => {
  expect(read({ access_token: "a0", expires_in })).toStrictEqual(
    lifetime === undefined
      ? { accessToken: "a0" }
      : { accessToken: "a0", expiresAt: NOW + lifetime, issuedAt: NOW },
  );
});

test.each<[unknown, string]>([
  [Number.NaN, "a number"],
  [Number.POSITIVE_INFINITY, "a number"],
  ["2030-01-01", "a string"],
  [new Date(NOW), "an object"],
  [[NOW], "an array"],
])("refuses a token set with a time of %o", (time, kind) => {
  for (const name of ["expiresAt", "issuedAt"]) {
    expect(() => read({ accessToken: "a0", [name]: time })).toThrow(
      new TypeError(`${name} is ${kind}, not a time in ms since the epoch`),
    );
  }
});

test.each([
  ["a line feed", "a\n0"],
  ["a trailing line feed", "a0\n"],
  ["a carriage return and a line feed", "a0\r\nx-evil: 1"],
  ["a tab", "a\t0"],
  ["a NUL", "a\u00000"],
  ["DEL", "a\u007f0"],
  ["a letter beyond ASCII", "aé0"],
  ["an emoji", "a🔑0"],
  ["a zero-width space", "a\u200b0"],
  ["nothing but spaces", "   "],
])("refuses a token with %s, and quotes nothing of it", (_, token) => {
  const message = (which: string) => `the ${which} token has characters that RFC 6749 does not allow`;

  expect(() => read({ access_token: token })).toThrow(new TypeError(message("access")));
  expect(() => read({ accessToken: token })).toThrow(new TypeError(message("access")));
  expect(() => read({ access_token: "a0", refresh_token: token })).toThrow(new TypeError(message("refresh")));
  expect(() => read({ accessToken: "a0", refreshToken: token })).toThrow(new TypeError(message("refresh")));
});

test.each(["a", "!", "~", "a b", "eyJhbGciOiJub25lIn0.e30.", "a+/=-._~0", "Bearer a0"])(
  "takes a token of any visible characters: %s",
  (token) => {
    expect(read({ access_token: token, refresh_token: token })).toStrictEqual({
      accessToken: token,
      refreshToken: token,
    });
  },
);

test.each<[unknown, string]>([
  [null, "a token set or a token response is an object, not null"],
  [undefined, "a token set or a token response is an object, not undefined"],
  ["a0", "a token set or a token response is an object, not a string"],
  [7, "a token set or a token response is an object, not a number"],
  [() => {}, "a token set or a token response is an object, not a function"],
  [[{ access_token: "a0" }], "a token set or a token response is an object, not an array"],
  [{}, "the access token is missing"],
  [{ access_token: undefined }, "the access token is missing"],
  [{ access_token: null }, "the access token is missing"],
  [{ access_token: "" }, "the access token is missing"],
  [{ accessToken: "" }, "the access token is missing"],
  [{ token: "a0" }, "the access token is missing"],
  [{ access_token: "", accessToken: "a0" }, "the access token is missing"],
  [{ access_token: 7 }, "the access token is a number, not a string"],
  [{ access_token: ["a0"] }, "the access token is an array, not a string"],
  [{ access_token: "a0", refresh_token: {} }, "the refresh token is an object, not a string"],
])("refuses %o: %s", (value, message) => {
  expect(() => read(value)).toThrow(new TypeError(message));
});

test("refuses a token of 200 KB for its last character without going back over it", () => {
  const began = performance.now();

  expect(() => read({ access_token: `${"a".repeat(200_000)}\n` })).toThrow(TypeError);
  expect(performance.now() - began).toBeLessThan(2_000);
});

test.each(["Bearer", "bearer", "BEARER", "bEaReR", "", undefined, null, 7])(
  "takes a token type of %o",
  (token_type) => {
    expect(read({ access_token: "a0", token_type }).accessToken).toBe("a0");
  },
);

test.each(["DPoP", "mac", "N_A", "Bearer ", "not Bearer"])("refuses a token type of %o", (type) => {
  const error = new TypeError("the token type is not Bearer");

  expect(() => read({ access_token: "a0", token_type: type })).toThrow(error);
  expect(() => read({ accessToken: "a0", tokenType: type })).toThrow(error);
});

test.each([undefined, null, "", 7, "Bearer"])(
  "takes a token type of %o for Bearer, whatever the scheme",
  (type) => {
    const scheme = { sendsToken: true, tokenType: "DPoP", fields: () => ({}) };
    const error = new TypeError("the token type is not DPoP");

    expect(() => read({ access_token: "a0", token_type: type }, scheme)).toThrow(error);
    expect(() => read({ accessToken: "a0", tokenType: type }, scheme)).toThrow(error);
    expect(read({ access_token: "a0", token_type: "dpop" }, scheme).accessToken).toBe("a0");
  },
);

test("leaves the token type to a scheme that judges for itself", () => {
  const scheme = { sendsToken: true, fields: () => ({}) };

  expect(read({ access_token: "a0", token_type: "DPoP" }, scheme)).toStrictEqual({
    accessToken: "a0",
    tokenType: "DPoP",
  });
});

test("asks for no access token under a scheme that sends none", () => {
  expect(read({ csrf: "c0" }, cookie())).toStrictEqual({});
  expect(read({ access_token: undefined, csrf: "c0" }, cookie())).toStrictEqual({ extra: { csrf: "c0" } });
});

test.each([
  ["a token response", '{"access_token":"a0","__proto__":{"polluted":true}}'],
  ["a token set", '{"accessToken":"a0","extra":{"__proto__":{"polluted":true}}}'],
])("keeps a __proto__ in %s from changing any prototype", (_, text) => {
  const tokens = read(JSON.parse(text));

  expect(Object.getPrototypeOf(tokens)).toBe(Object.prototype);
  expect(tokens.extra?.polluted).toBeUndefined();
  expect(Object.hasOwn({}, "polluted")).toBe(false);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});

test.each(['{"__proto__":{"access_token":"a0"}}', '{"__proto__":{"accessToken":"a0"}}'])(
  "finds no tokens under __proto__: %s",
  (text) => {
    expect(() => read(JSON.parse(text))).toThrow(new TypeError("the access token is missing"));
  },
);

test("reads an answer without a prototype", () => {
  const answer = Object.assign(Object.create(null), { access_token: "a0", tenant: "acme" });

  expect(read(answer)).toStrictEqual({ accessToken: "a0", extra: { tenant: "acme" } });
});

const previous: TokenSet = {
  accessToken: "a0",
  refreshToken: "r0",
  tokenType: "Bearer",
  expiresAt: NOW - 1,
  issuedAt: NOW - 3_600_000,
  scope: "read",
  idToken: "i0",
  extra: { tenant: "acme" },
};
const renew = (answered: TokenSet, now = NOW) => renewedTokens(answered, previous, now, margins);

test("keeps the refresh token, scope, id token and extra that an answer leaves out, and no expiry", () => {
  expect(renew({ accessToken: "a1" })).toStrictEqual({
    accessToken: "a1",
    refreshToken: "r0",
    scope: "read",
    idToken: "i0",
    extra: { tenant: "acme" },
  });
});

test("takes all that an answer says", () => {
  const answered: TokenSet = {
    accessToken: "a1",
    refreshToken: "r1",
    tokenType: "Bearer",
    expiresAt: NOW + 3_600_000,
    issuedAt: NOW,
    scope: "write",
    idToken: "i1",
    extra: { tenant: "other" },
  };

  expect(renew(answered)).toStrictEqual(answered);
  expect(Object.isFrozen(renew(answered))).toBe(true);
});

test.each([
  ["expired long ago", NOW - 1_000_000, NOW - 2_000_000],
  ["expires now", NOW, NOW - 3_600_000],
  ["has a moment less than the leeway left", NOW + 4_999, NOW - 3_600_000],
])("has no expiry where it is stale on arrival: %s", (_, expiresAt, issuedAt) => {
  const tokens = renew({ accessToken: "a1", refreshToken: "r1", expiresAt, issuedAt });

  expect(tokens).toStrictEqual({
    accessToken: "a1",
    refreshToken: "r1",
    scope: "read",
    idToken: "i0",
    extra: { tenant: "acme" },
  });
});

test.each([
  ["ageing", NOW + 59_999],
  ["ageing by the leeway", NOW + 5_000],
])("lives anew from its arrival on where it is old by then: %s", (_, expiresAt) => {
  const tokens = renew({ accessToken: "a1", expiresAt, issuedAt: NOW - 3_600_000 });

  expect(tokens).toMatchObject({ expiresAt, issuedAt: NOW });
  expect(freshness(tokens, NOW, margins)).toBe("fresh");
});

test("keeps the time of issue of a token that is fresh on arrival", () => {
  expect(renew({ accessToken: "a1", expiresAt: NOW + 60_000, issuedAt: NOW - 3_600_000 })).toMatchObject({
    expiresAt: NOW + 60_000,
    issuedAt: NOW - 3_600_000,
  });
});

test("judges the age on arrival by a lifetime that counts from the request", () => {
  const answered = { accessToken: "a1", expiresAt: NOW + 20_000, issuedAt: NOW };

  expect(renew(answered, NOW + 15_000)).toMatchObject({ expiresAt: NOW + 20_000, issuedAt: NOW });
  expect(renew(answered, NOW + 15_001)).toMatchObject({ expiresAt: NOW + 20_000, issuedAt: NOW + 15_001 });
  expect(renew(answered, NOW + 19_000)).toMatchObject({ expiresAt: NOW + 20_000, issuedAt: NOW + 19_000 });
  expect(renew(answered, NOW + 19_001)).not.toHaveProperty("expiresAt");
});

test("is not ageing when it arrives, however long it was on its way", () => {
  const answered = { accessToken: "a1", expiresAt: NOW + 20_000, issuedAt: NOW };
  const arrivals = [0, 14_000, 15_001, 17_000, 19_000, 19_001, 20_000, 90_000].map((ms) => NOW + ms);

  const ages = arrivals.map((now) => freshness(renew(answered, now), now, margins));

  expect(new Set(ages)).toStrictEqual(new Set(["fresh"]));
});

test.each<[unknown, string | undefined]>([
  [{ refresh_token: "r1" }, "r1"],
  [{ refreshToken: "r1" }, "r1"],
  [{ refresh_token: "r2", refreshToken: "r1" }, "r1"],
  [{ refresh_token: "r\n1" }, undefined],
  [{ refresh_token: "" }, undefined],
  [{ refresh_token: 7 }, undefined],
  [{}, undefined],
  [null, undefined],
  [undefined, undefined],
  ["r1", undefined],
])("finds the refresh token in an answer that is otherwise of no use: %o: %s", (value, expected) => {
  expect(rotatedToken(value)).toBe(expected);
});

test.each<[unknown, string]>([
  [undefined, "undefined"],
  [null, "null"],
  ["secret", "a string"],
  [7, "a number"],
  [7n, "a bigint"],
  [true, "a boolean"],
  [Symbol("secret"), "a symbol"],
  [() => {}, "a function"],
  [[], "an array"],
  [{}, "an object"],
])("names the kind of %o: %s", (value, kind) => {
  expect(kindOf(value)).toBe(kind);
});

test("takes null for a time that is not known", () => {
  const tokens = read({ accessToken: "a0", expiresAt: null, issuedAt: null });

  expect(tokens).toStrictEqual({ accessToken: "a0" });
});

test.each([null, "text", 7, true])("keeps nothing of an extra that is no object: %j", (extra) => {
  expect(read({ accessToken: "a0", extra })).toStrictEqual({ accessToken: "a0" });
});
