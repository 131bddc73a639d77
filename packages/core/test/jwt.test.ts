import { expect, test, vi } from "vitest";
import { jwtExpiresAt } from "../src/jwt.ts";

const NOW = 1_700_000_000_000;
const SECONDS = NOW / 1000;

function jwtOf(payload: unknown): string {
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return `e30.${Buffer.from(text).toString("base64url")}.c2ln`;
}

function expiryOf(token: string): number | undefined {
  const clock = vi.spyOn(Date, "now").mockReturnValue(NOW);
  try {
    return jwtExpiresAt(token);
  } finally {
    clock.mockRestore();
  }
}

test.each<[string, unknown, number | undefined]>([
  ["exp alone", { exp: SECONDS + 60 }, NOW + 60_000],
  ["exp alone, long ago", { exp: 1 }, 1_000],
  ["exp and iat", { iat: SECONDS, exp: SECONDS + 300 }, NOW + 300_000],
  [
    "exp and iat of a server whose clock is an hour ahead",
    { iat: SECONDS + 3600, exp: SECONDS + 3900 },
    NOW + 300_000,
  ],
  [
    "exp and iat of a server whose clock is a day behind",
    { iat: SECONDS - 86_400, exp: SECONDS - 86_100 },
    NOW + 300_000,
  ],
  ["fractions of a second", { iat: 0.5, exp: 2 }, NOW + 1_500],
  ["exp, and an iat that is no number", { iat: "now", exp: SECONDS + 60 }, NOW + 60_000],
  ["iat alone", { iat: SECONDS }, undefined],
  ["an exp that is a string", { exp: String(SECONDS + 60) }, undefined],
  ["an exp of null", { exp: null }, undefined],
  ["an exp beyond all numbers", '{"exp":1e999}', undefined],
  ["an exp beyond all numbers of ms", '{"exp":1e306}', undefined],
  ["an exp and an iat too far apart", '{"exp":1e308,"iat":-1e308}', undefined],
  ["nothing", {}, undefined],
  ["an array", [SECONDS], undefined],
  ["null", null, undefined],
  ["text that is not JSON", "exp=1", undefined],
])("reads when a JWT expires: %s", (_, payload, expected) => {
  expect(expiryOf(jwtOf(payload))).toBe(expected);
});

test.each(["", "a0", "a.b", "a.b.c", "..", "e30..c2ln", "e30.ÿÿÿ.c2ln", "e30.e30", "🔑.🔑.🔑"])(
  "knows no expiry of what is not a JWT: %j",
  (token) => {
    expect(expiryOf(token)).toBeUndefined();
  },
);

test.each(["", "x", "xx", "ÿ", "日本", "🔑", '>>>???"\\'])(
  "reads a payload of any length and letters: %j",
  (sub) => {
    expect(expiryOf(jwtOf({ sub, exp: 7 }))).toBe(7_000);
    expect(expiryOf(jwtOf({ exp: 7, sub }))).toBe(7_000);
  },
);
