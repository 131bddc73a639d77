import { expect, onTestFinished, test, vi } from "vitest";
import { createSession } from "../src/index.ts";
import { type SessionOptions, settingsOf } from "../src/options.ts";
import { bearer } from "../src/scheme.ts";
import { memoryStore } from "../src/store.ts";
import { createClock, settled } from "./support.ts";

const refresh = async () => null;
const given = (options: object) => () => settingsOf({ refresh, ...options } as SessionOptions);

// One wrong value of every kind, and how it is named. What may be a token is never shown.
const KINDS: [value: unknown, arrived: string][] = [
  [null, "null"],
  [true, "true"],
  [false, "false"],
  [7, "7"],
  [0, "0"],
  [-1, "-1"],
  [0.5, "0.5"],
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "Infinity"],
  ["a secret", "a string"],
  [[], "an array"],
  [["a secret"], "an array"],
  [{}, "an object"],
  [{ secret: "a secret" }, "an object"],
  [() => "a secret", "a function"],
  [Symbol("a secret"), "a symbol"],
  [7n, "a bigint"],
];

const except = (...kinds: string[]) => KINDS.filter(([, arrived]) => !kinds.includes(arrived));
const duration = ["7", "0", "0.5"];
const options: Record<keyof SessionOptions, { is: string; wrong: [unknown, string][] }> = {
  refresh: { is: "a function that returns a promise of new tokens", wrong: except("a function") },
  store: {
    is: "a store: load(), save(), and perhaps exclusive() and subscribe()",
    wrong: [
      ...KINDS,
      [{ load: refresh }, "an object"],
      [{ ...memoryStore(), exclusive: 5 }, "an object"],
      [{ ...memoryStore(), subscribe: true }, "an object"],
    ],
  },
  tokens: { is: "a token set or a token response", wrong: except("an object", "an array") },
  restore: { is: "true or false", wrong: except("true", "false") },
  origins: {
    is: 'a list such as ["https://api.example.com"], or a function of a URL',
    wrong: except("an array", "a function"),
  },
  scheme: {
    is: "a scheme such as bearer(): sendsToken, fields(), and perhaps answered()",
    wrong: [
      ...KINDS,
      [bearer, "a function"],
      [{ fields: bearer().fields }, "an object"],
      [{ ...bearer(), sendsToken: "no" }, "an object"],
      [{ ...bearer(), answered: 5 }, "an object"],
    ],
  },
  isRefusal: { is: "a function", wrong: except("a function") },
  isRejection: { is: "a function", wrong: except("a function") },
  revoke: { is: "a function", wrong: except("a function") },
  waitUntil: { is: "a function", wrong: except("a function") },
  leeway: { is: "a number of ms, 0 or more", wrong: [...except(...duration), [2 ** 31, "2147483648"]] },
  refreshAhead: {
    is: "a number of ms, 0 or more, or false",
    wrong: [...except(...duration, "false"), [2 ** 31, "2147483648"]],
  },
  refreshTimeout: {
    is: "a number of ms, more than 0",
    wrong: [...except("7", "0.5"), [2 ** 31, "2147483648"]],
  },
  refreshAttempts: { is: "a whole number, 1 or more", wrong: except("7") },
  refusalLimit: {
    is: "{ max, within }, or false",
    wrong: [
      ...except("false"),
      [{ max: 5 }, "an object"],
      [{ within: 5 }, "an object"],
      [{ max: -1, within: 5 }, "an object"],
      [{ max: 0.5, within: 5 }, "an object"],
      [{ max: 5, within: -1 }, "an object"],
      [{ max: "5", within: 5 }, "an object"],
    ],
  },
  maxHeld: { is: "a number of requests, 0 or more", wrong: except("7", "0", "Infinity") },
  clock: {
    is: "a clock, with now(), random() and timer()",
    wrong: [...KINDS, [{ now: Date.now }, "an object"]],
  },
};

const wrong = Object.entries(options).flatMap(([name, { is, wrong }]) =>
  wrong.map(([value, arrived], index) => ({ name, is, value, arrived, index })),
);

test.each(wrong)("names $name and what arrived, never what may be a token: $arrived, $index", (row) => {
  const error = new TypeError(`\`${row.name}\` is ${row.is}, not ${row.arrived}`);

  expect(given({ [row.name]: row.value })).toThrow(error);
});

test.each<[string, unknown]>([
  ["restore", false],
  ["origins", []],
  ["origins", ["https://api.example.com"]],
  ["origins", () => true],
  ["leeway", 0],
  ["leeway", 2 ** 31 - 1],
  ["refreshAhead", 0],
  ["refreshAhead", false],
  ["refreshTimeout", 1],
  ["refreshTimeout", 2 ** 31 - 1],
  ["refreshAttempts", 1],
  ["refusalLimit", false],
  ["refusalLimit", { max: 0, within: 0 }],
  ["maxHeld", 0],
  ["maxHeld", Number.POSITIVE_INFINITY],
  ["tokens", { accessToken: "a0" }],
  ["store", memoryStore()],
  ["scheme", bearer()],
])("takes %s of %o", (name, value) => {
  expect(given({ [name]: value })()).toHaveProperty(name, value);
});

test.each([undefined, null, "a secret", 7, () => {}])("takes options and nothing else: %o", (value) => {
  const kind = {
    undefined: "undefined",
    object: "null",
    string: "a string",
    number: "a number",
    function: "a function",
  };
  const error = new TypeError(`createSession takes options, not ${kind[typeof value as keyof typeof kind]}`);

  expect(() => settingsOf(value as never)).toThrow(error);
  expect(() => createSession(value as never)).toThrow(error);
});

test.each([{}, { refresh: undefined }, { leeway: 1 }])("asks for refresh: %o", (value) => {
  expect(() => settingsOf(value as never)).toThrow(
    new TypeError("`refresh` is a function that returns a promise of new tokens, not undefined"),
  );
});

test.each(["onRefresh", "Refresh", "toString", "constructor", "hasOwnProperty"])(
  "knows no option that there is not: %s",
  (name) => {
    expect(given({ [name]: 1 })).toThrow(new TypeError(`createSession knows no option \`${name}\``));
  },
);

test("takes no __proto__ for an option, and no prototype for options", () => {
  const options = { refresh, ...JSON.parse('{"__proto__":{"leeway":7}}') };

  expect(() => settingsOf(options)).toThrow(new TypeError("createSession knows no option `__proto__`"));
});

test("says at once which origin is none", () => {
  expect(given({ origins: ["https://api.example.com", "api.example.com"] })).toThrow(
    new TypeError('`origins` lists origins such as "https://api.example.com", not "api.example.com"'),
  );
});

test("puts every default in its place, also of options that are undefined", () => {
  const undef = Object.fromEntries(Object.keys(options).map((name) => [name, undefined]));

  for (const all of [{ refresh }, { ...undef, refresh }] as SessionOptions[]) {
    const { store, scheme, clock, ...rest } = settingsOf(all);

    expect(rest).toStrictEqual({
      refresh,
      restore: false,
      leeway: 5_000,
      refreshAhead: 60_000,
      refreshTimeout: 10_000,
      refreshAttempts: 3,
      refusalLimit: { max: 5, within: 30_000 },
      maxHeld: Number.POSITIVE_INFINITY,
    });
    expect([store.load(), scheme.sendsToken, typeof clock.now()]).toStrictEqual([null, true, "number"]);
  }
});

test("gives every session a store of its own", () => {
  expect(settingsOf({ refresh }).store).not.toBe(settingsOf({ refresh }).store);
});

test("keeps the process waiting by its own clock only where it is told to", () => {
  vi.useFakeTimers();
  const { clock } = settingsOf({ refresh });
  const ran = vi.fn();

  const stop = clock.timer(() => ran("stopped"), 10, true);
  clock.timer(() => ran("unref"), 10, false);
  clock.timer(() => ran("ref"), 10, true);
  stop();
  vi.advanceTimersByTime(10);
  vi.useRealTimers();

  expect(ran.mock.calls).toStrictEqual([["unref"], ["ref"]]);
});

test("leaves no rejection unhandled of a waitUntil that rejects", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  onTestFinished(() => void process.off("unhandledRejection", unhandled));
  const waitUntil = (async () => Promise.reject(new Error("no context"))) as never;
  const session = createSession({
    refresh: async () => ({ access_token: "a1" }),
    clock: createClock(),
    waitUntil,
  });
  await session.signIn({ access_token: "a0" });

  const { accessToken } = await session.refresh();
  await settled();

  expect([accessToken, unhandled.mock.calls]).toStrictEqual(["a1", []]);
});

test("unrefs a timer that nobody waits for, and no other", () => {
  const unref = vi.fn();
  vi.stubGlobal("setTimeout", () => ({ unref }));
  const { clock } = settingsOf({ refresh });

  clock.timer(() => {}, 10, true);
  const before = unref.mock.calls.length;
  clock.timer(() => {}, 10, false);
  vi.unstubAllGlobals();

  expect([before, unref.mock.calls.length]).toStrictEqual([0, 1]);
});

test("runs where a timer is a number, as in a page", () => {
  vi.stubGlobal("setTimeout", () => 7);
  const { clock } = settingsOf({ refresh });

  const stop = clock.timer(() => {}, 10, false);
  vi.unstubAllGlobals();

  expect(stop()).toBeUndefined();
});

test("names the option where the tokens it is given cannot be used", () => {
  expect(() => createSession({ refresh, tokens: { accessToken: "a\nb" } })).toThrow(
    /^`tokens`: the access token/,
  );
});
