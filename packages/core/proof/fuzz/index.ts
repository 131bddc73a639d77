import type { Findings, Layer, Scale } from "../layer.ts";
import { urls } from "./addresses.ts";
import { answers } from "./answers.ts";
import { refusals } from "./challenges.ts";
import { growths } from "./growth.ts";
import { jwts } from "./jwts.ts";
import type { Property } from "./property.ts";
import { records } from "./records.ts";
import { signIns } from "./sign-ins.ts";
import { errors } from "./thrown.ts";
import { waits } from "./waits.ts";

export const RUNS: Readonly<Record<Scale, number>> = { test: 500, prove: 10_000 };

/** Everything that has to hold for what comes from outside. */
export const properties: readonly Property[] = [
  ...answers,
  ...errors,
  ...refusals,
  ...waits,
  ...records,
  ...urls,
  ...jwts,
  ...signIns,
];

async function explore(scale: Scale, progress: (line: string) => void): Promise<Findings> {
  const violations: string[] = [];
  for (const [index, property] of properties.entries()) {
    progress(`${index + 1} of ${properties.length + growths.length}: ${property.name}`);
    const story = await property.check(RUNS[scale]);
    if (story) violations.push(story);
  }
  const costs = growths.map((growth) => growth.measure());
  return {
    bounds: `${properties.length} properties, each of ${RUNS[scale].toLocaleString("en")} values made near to what is expected; ${growths.length} inputs of 1 and of 64 KB`,
    explored: `${(properties.length * RUNS[scale]).toLocaleString("en")} runs`,
    violations: [...violations, ...costs.flatMap(({ violation }) => violation ?? [])],
    limits: {},
    notes: [
      ...properties.map(({ name }) => name),
      `an input 64 times as long costs at most ${Math.max(...costs.map(({ excess }) => excess)).toFixed(1)} times more than in proportion`,
    ],
  };
}

/** Sends what is nearly right, and what is meant to do harm, through everything that reads from outside. */
export const fuzz: Layer = {
  name: "Fuzzing",
  what: "Feeds answers, errors, header fields, records, URLs and tokens that are nearly right, or hostile, to a whole session and to its parts.",
  explore,
};
