import { digest } from "../../src/digest.ts";
import { jwtExpiresAt } from "../../src/jwt.ts";
import { originsOf, withoutQuery } from "../../src/origin.ts";
import { isRefusal } from "../../src/refusal.ts";
import { bearer } from "../../src/scheme.ts";
import { readTokens } from "../../src/tokens.ts";
import { retryAfter } from "../../src/verdict.ts";

/** How the work for an input grows with its length. */
export interface Growth {
  readonly name: string;
  measure(): { readonly excess: number; readonly violation: string | undefined };
}

const SHORT = 1_024;
// How much longer: a jump to 16 finds what is quadratic before it takes minutes.
const STEPS = [16, 64];
// What is linear costs as many times as much, and what is quadratic 16 or 64 times that: room for a busy machine.
const LIMIT = 12;
// In ms. Below it the clock and the collector weigh more than the work.
const LEAST = 0.05;

/** Inputs that make matchers go back: a beginning, what is repeated, and an end that does not match. */
const ATTACKS = {
  challenge: [
    ['Bearer error="insufficient_scope', "a", ""],
    ['Bearer realm="', '\\"', ""],
    ['Bearer realm="', "\\", ""],
    ["Bearer ", '"', ""],
    ["Bearer ", '""', '"'],
    ["Bearer ", '"a', ""],
    ["Bearer", " error", ""],
    ["Bearer error", " ", "x"],
    ["Bearer", " error =", "x"],
    ["Bearer", ' error="', ""],
    ["Bearer", ', error = "x"', '"'],
    ["", ",", ""],
    ["", " ", "error"],
    ["", "\u00e9", '"'],
  ],
  wait: [
    ["", "1", "x"],
    ["", " ", "1"],
    ["", "a", "1"],
    ["", "1 ", ""],
    ["Fri, ", "1", " GMT"],
    ["", "(", ""],
  ],
  token: [
    ["", "a", "\n"],
    ["", " ", ""],
    ["", " ", "\u00e9"],
    ["", "a ", "\u00e9"],
  ],
  jwt: [
    ["", ".", ""],
    ["e30.", "A", ""],
    ["e30.", "\u00e9", ""],
    ["e30.", "W1tb", ""],
  ],
  url: [
    ["https://", "a", ""],
    ["https://", "a.", "localhost"],
    ["http://127", ".1", ""],
    ["https://", "@", "api.test"],
    ["https://api.test/", "../", ""],
    ["", " ", "https://api.test"],
    ["https://", "%41", ""],
  ],
} as const;

type Attack = readonly [before: string, repeated: string, after: string];

const covers = originsOf(["https://api.test"]);

const WORK: readonly (readonly [string, readonly Attack[], (text: string) => unknown])[] = [
  ["a WWW-Authenticate field", ATTACKS.challenge, (text) => isRefusal(challenged(text), "https://api.test")],
  ["a Retry-After field", ATTACKS.wait, (text) => retryAfter(text, () => 0)],
  [
    "an access token",
    ATTACKS.token,
    (text) => attempted(() => readTokens({ access_token: text }, bearer(), 0)),
  ],
  ["a JWT", ATTACKS.jwt, jwtExpiresAt],
  ["a URL", ATTACKS.url, (text) => [covers(text), withoutQuery(text)]],
  ["an error's message", ATTACKS.token, (text) => digest(new Error(text), [{ accessToken: "aaaaaaaaaaab" }])],
  [
    "a token that an error may quote",
    ATTACKS.token,
    (text) => digest(new Error("a".repeat(500)), [{ accessToken: text }]),
  ],
  [
    "what came beside a token",
    ATTACKS.token,
    (text) => digest(new Error("no"), [{ extra: { all: text.match(/.{9}/gs) } }]),
  ],
];

export const growths: readonly Growth[] = WORK.flatMap(([name, attacks, work]) =>
  attacks.map((attack) => growthOf(name, attack, work)),
);

function growthOf(what: string, attack: Attack, work: (text: string) => unknown): Growth {
  const name = `${what}: ${attack.map((part) => JSON.stringify(part)).join(" + … ")}`;
  return {
    name,
    measure() {
      const excess = excessOf(work, attack);
      const violation =
        excess > LIMIT
          ? `${name}: costs ${excess.toFixed(0)} times more than in proportion to its length`
          : undefined;
      return { excess, violation };
    },
  };
}

// How many times more than in proportion. Stops at the first length at which it is too much.
function excessOf(work: (text: string) => unknown, attack: Attack): number {
  const least = Math.max(fastest(work, textOf(attack, SHORT), 5), LEAST);
  let excess = 0;
  for (const times of STEPS) {
    excess = leastExcess(() => fastest(work, textOf(attack, SHORT * times), 1) / (least * times));
    if (excess > LIMIT) break;
  }
  return excess;
}

// Measured again where it looks bad: a busy machine makes one measurement worse, and not all of them.
function leastExcess(measure: () => number): number {
  let least = measure();
  for (let turn = 0; turn < 2 && least > LIMIT; turn++) least = Math.min(least, measure());
  return least;
}

function textOf([before, repeated, after]: Attack, size: number): string {
  return before + repeated.repeat(size / repeated.length) + after;
}

function fastest(work: (text: string) => unknown, text: string, turns: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < turns; turn++) {
    const began = performance.now();
    work(text);
    least = Math.min(least, performance.now() - began);
  }
  return least;
}

function challenged(text: string) {
  return { status: 401, field: () => text, response: undefined };
}

function attempted(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
