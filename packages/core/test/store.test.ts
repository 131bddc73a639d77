import { runInNewContext } from "node:vm";
import { createSession } from "@freshtoken/core";
import { expect, test } from "vitest";
import { bearer, cookie } from "../src/scheme.ts";
import { memoryStore, readRecord, type SessionRecord, sameRecord } from "../src/store.ts";

const record = (family: string, generation: number): SessionRecord => ({
  family,
  generation,
  tokens: { accessToken: `a${generation}` },
});
const [f0, f1, g0] = [record("f", 0), record("f", 1), record("g", 0)];

test.each<
  [string, held: SessionRecord | null, expected: SessionRecord | null | undefined, isWritten: boolean]
>([
  ["over nothing, whatever it holds", null, undefined, true],
  ["over a record, whatever it holds", g0, undefined, true],
  ["over nothing, as expected", null, null, true],
  ["over a record, where nothing is expected", g0, null, false],
  ["over the record expected", f0, f0, true],
  ["over the record expected, though a copy of it", f0, { ...f0, tokens: {} }, true],
  ["over nothing, where a record is expected", null, f0, false],
  ["over another generation than expected", f0, f1, false],
  ["over another family than expected", g0, f0, false],
])("writes in memory, or says that it did not: %s", async (_, held, expected, isWritten) => {
  const store = memoryStore();
  store.save(held);

  const written = expected === undefined ? store.save(f1) : store.save(f1, expected);

  expect([written, store.load()]).toStrictEqual([isWritten, isWritten ? f1 : held]);
});

test("removes a record from memory, and only the one expected", () => {
  const store = memoryStore();
  store.save(f0);

  expect([store.save(null, f1), store.load()]).toStrictEqual([false, f0]);
  expect([store.save(null, f0), store.load()]).toStrictEqual([true, null]);
});

test("shares nothing between two stores in memory", () => {
  const [one, other] = [memoryStore(), memoryStore()];
  one.save(f0);

  expect([one.load(), other.load()]).toStrictEqual([f0, null]);
});

test.each<[SessionRecord | null, SessionRecord | null, boolean]>([
  [null, null, true],
  [f0, null, false],
  [null, f0, false],
  [f0, f0, true],
  [f0, { family: "f", generation: 0, tokens: {} }, true],
  [f0, f1, false],
  [f0, g0, false],
])("tells whether %o and %o are the same", (one, other, expected) => {
  expect(sameRecord(one, other)).toBe(expected);
});

test("may answer with a promise of another realm", async () => {
  const load = () => runInNewContext("Promise.resolve(held)", { held: f0 });
  const session = createSession({ refresh: async () => null, store: { load, save() {} } });

  await session.loaded;

  expect(session.state).toStrictEqual({ status: "signedIn", tokens: f0.tokens, refreshing: false });
});

test.each([null, undefined])("reads %s as nothing", (value) => {
  expect(readRecord(value, bearer())).toBeNull();
});

test("reads a record, and nothing else of what was stored", () => {
  const tokens = {
    accessToken: "a0",
    refreshToken: "r0",
    expiresAt: 2,
    issuedAt: 1,
    extra: { tenant: "acme" },
  };
  const read = readRecord({ family: "f", generation: 0, tokens, version: 2 }, bearer());

  expect(read).toStrictEqual({ family: "f", generation: 0, tokens });
  expect([Object.isFrozen(read), Object.isFrozen(read?.tokens)]).toStrictEqual([true, true]);
});

test("gives stored tokens no time of issue that they did not have", () => {
  const stored = { family: "f", generation: 0, tokens: { accessToken: "a0", expiresAt: 9e12 } };

  expect(readRecord(stored, bearer())?.tokens).toStrictEqual({ accessToken: "a0", expiresAt: 9e12 });
});

const tokens = { accessToken: "a0" };
const FOREIGN = "The stored record is not one of a session: it counts as nothing";

test.each<[string, unknown, string]>([
  ["a string", '{"family":"f"}', FOREIGN],
  ["a number", 7, FOREIGN],
  ["an array", [], FOREIGN],
  ["a function", () => f0, FOREIGN],
  ["an empty object", {}, FOREIGN],
  ["tokens alone", tokens, FOREIGN],
  ["a token response", { access_token: "a0" }, FOREIGN],
  ["no family", { generation: 0, tokens }, FOREIGN],
  ["an empty family", { family: "", generation: 0, tokens }, FOREIGN],
  ["a family that is no string", { family: 7, generation: 0, tokens }, FOREIGN],
  ["no generation", { family: "f", tokens }, FOREIGN],
  ["a generation below zero", { family: "f", generation: -1, tokens }, FOREIGN],
  ["a generation in between", { family: "f", generation: 0.5, tokens }, FOREIGN],
  ["a generation that is a string", { family: "f", generation: "0", tokens }, FOREIGN],
  ["a generation that is no number", { family: "f", generation: Number.NaN, tokens }, FOREIGN],
  ["a generation that cannot be counted on", { family: "f", generation: 2 ** 53, tokens }, FOREIGN],
  [
    "a generation so late that the next ones cannot be",
    { family: "f", generation: 2 ** 52, tokens },
    FOREIGN,
  ],
  [
    "no tokens",
    { family: "f", generation: 0 },
    "a token set or a token response is an object, not undefined",
  ],
  [
    "tokens of null",
    { family: "f", generation: 0, tokens: null },
    "a token set or a token response is an object, not null",
  ],
  [
    "tokens without an access token",
    { family: "f", generation: 0, tokens: {} },
    "the access token is missing",
  ],
  [
    "an access token with a line feed",
    { family: "f", generation: 0, tokens: { accessToken: "a0\r\nx: y" } },
    "the access token has characters that RFC 6749 does not allow",
  ],
  [
    "an expiry that is text",
    { family: "f", generation: 0, tokens: { accessToken: "a0", expiresAt: "soon" } },
    "expiresAt is a string, not a time in ms since the epoch",
  ],
  [
    "another token type",
    { family: "f", generation: 0, tokens: { accessToken: "a0", tokenType: "DPoP" } },
    "the token type is not Bearer",
  ],
])("refuses a record with %s", (_, value, message) => {
  expect(() => readRecord(value, bearer())).toThrow(new TypeError(message));
});

test("reads the last generation from which can be counted on", () => {
  expect(readRecord({ family: "f", generation: 2 ** 52 - 1, tokens }, bearer())?.generation).toBe(
    2 ** 52 - 1,
  );
});

test("knows no expiry of a stored token response, which does not say when it was asked for", () => {
  const stored = { family: "f", generation: 0, tokens: { access_token: "a0", expires_in: 3600 } };

  expect(readRecord(stored, bearer())?.tokens).toStrictEqual({ accessToken: "a0" });
});

test("reads a record without an access token under a scheme that sends none", () => {
  const stored = { family: "cookie", generation: 3, tokens: {} };

  expect(readRecord(stored, cookie())).toStrictEqual(stored);
});

test("keeps a __proto__ in a record from changing any prototype", () => {
  const text =
    '{"family":"f","generation":0,"__proto__":{"polluted":1},"tokens":{"accessToken":"a0","__proto__":{"scope":"all"}}}';

  const read = readRecord(JSON.parse(text), bearer());

  expect(read).toStrictEqual({ family: "f", generation: 0, tokens: { accessToken: "a0" } });
  expect(read?.tokens.scope).toBeUndefined();
  expect(Object.getPrototypeOf(read?.tokens)).toBe(Object.prototype);
});
