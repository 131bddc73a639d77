import type { SessionRecord } from "../../src/store.ts";

// A record is written as a number: 0 is none, then eight for each family, generation −1 to 6.
const GENERATIONS = 8;

/** How many families there can be: each has eight of the 32 bits of a {@link Codes}. */
export const FAMILIES = 4;

/** Time stands still: what passes is taken off the tokens instead. */
export const NOW = 10_000_000;

/** A family and a generation in one number; 0: nothing. */
export type Code = number;

/** Some of all codes but 0, one bit each. */
export type Codes = number;

/** What is left of a token: it is fresh, ageing or stale. */
export type Age = 0 | 1 | 2;

const EXPIRES = [NOW + 5_000_000, NOW + 30_000, NOW];

export function codeOf(record: SessionRecord | null): Code {
  return record ? codeAt(Number(record.family.slice(1)), record.generation) : 0;
}

export function codeAt(family: number, generation: number): Code {
  if (family >= FAMILIES || generation > 6) throw new RangeError("more families or generations than fit");
  return 1 + family * GENERATIONS + generation + 1;
}

export function familyIn(code: Code): number {
  return code === 0 ? -1 : (code - 1) >> 3;
}

export function generationIn(code: Code): number {
  return ((code - 1) & 7) - 1;
}

export function bitOf(code: Code): Codes {
  return code === 0 ? 0 : 1 << (code - 1);
}

const records = EXPIRES.map((expiresAt) =>
  Array.from({ length: 1 + FAMILIES * GENERATIONS }, (_, code) => recordAt(code, expiresAt)),
);

/** Returns always the same record for one code and age. */
export function recordOf(code: Code, age: Age = 0): SessionRecord | null {
  return records[age]?.[code] ?? null;
}

export function ageOf(record: SessionRecord | null): Age {
  const age = record ? EXPIRES.indexOf(record.tokens.expiresAt ?? NOW + 5_000_000) : 0;
  return Math.max(age, 0) as Age;
}

export function nameOf(code: Code): string {
  return code === 0 ? "nothing" : `f${familyIn(code)}.${generationIn(code)}`;
}

function recordAt(code: Code, expiresAt: number): SessionRecord | null {
  if (code === 0) return null;
  const [family, generation] = [familyIn(code), generationIn(code)];
  const name = `${family}.${generation}`;
  const tokens =
    generation < 0 ? {} : { accessToken: `a${name}`, refreshToken: `r${name}`, issuedAt: 0, expiresAt };
  return Object.freeze({ family: `f${family}`, generation, tokens: Object.freeze(tokens) });
}
