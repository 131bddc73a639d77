import type { Findings, Layer, Scale } from "../layer.ts";
import type { Bounds } from "./bounds.ts";
import { type Conformed, conform } from "./conformance.ts";
import { EVERYWHERE, FOUR, SCALES } from "./scales.ts";
import { type Searched, search } from "./search.ts";
import { unseen } from "./witnesses.ts";

const WALKS = { test: 1_100, prove: 20_000 } as const;
const SEED = 1;

/** Every order of events, breadth first. */
export const layer: Layer = {
  name: "Every order",
  what: "Walks the machine and the gate through every order of events, with a model of the requests, the rounds and the store; and real sessions beside the model, to show that it tells the truth.",
  explore,
};

/** The same with four requests, as far as it comes. */
export const four: Layer = {
  name: "Every order of four requests",
  what: "The same search with four requests, as far as ten minutes go.",
  explore: (scale, progress) =>
    untraced(async () => findings([await searched(FOUR[scale], progress)], undefined, [])),
};

function explore(scale: Scale, progress: (line: string) => void): Promise<Findings> {
  return untraced(async () => {
    const searches: Searched[] = [];
    for (const bounds of SCALES[scale]) searches.push(await searched(bounds, progress));
    const [walked] = SCALES[scale];
    const conformed = walked && (await conform({ ...walked, ...WALKED }, WALKS[scale], SEED));
    const missing = unseen(witnessedIn(searches), scale === "prove");
    return findings(searches, conformed, missing);
  });
}

async function searched(bounds: Bounds, progress: (line: string) => void): Promise<Searched> {
  const found = await search(bounds, () => performance.now(), progress);
  progress(lineOf(found));
  return found;
}

// Errors are made by the million, and nobody reads where.
async function untraced<R>(work: () => Promise<R>): Promise<R> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

// Walks go further than searches.
const WALKED = {
  requests: 3,
  streams: 1,
  maxHeld: Number.POSITIVE_INFINITY,
  disturbances: 14,
  generations: 3,
  signs: false,
  begins: EVERYWHERE,
};

function witnessedIn(searches: readonly Searched[]): Map<string, number> {
  return totalOf(searches.map(({ witnessed }) => witnessed));
}

function findings(
  searches: readonly Searched[],
  conformed: Conformed | undefined,
  missing: readonly string[],
): Findings {
  const states = searches.reduce((sum, searched) => sum + searched.states, 0);
  const transitions = searches.reduce((sum, searched) => sum + searched.transitions, 0);
  return {
    bounds: searches
      .map(({ bounds, isWhole }) => `${bounds.name}${isWhole ? "" : " (not whole)"}`)
      .join("; "),
    explored: `${count(states)} states, ${count(transitions)} steps${walksOf(conformed)}`,
    violations: [
      ...searches.flatMap(({ violations }) => violations),
      ...missing.map((name) => `never reached: ${name}`),
      ...(conformed?.violations ?? []),
    ],
    limits: Object.fromEntries(totalOf(searches.map(({ limits }) => limits))),
    notes: [
      ...searches.map(lineOf),
      ...[...witnessedIn(searches)].map(([name, times]) => `reached ${count(times)} times: ${name}`),
    ],
  };
}

function walksOf(conformed: Conformed | undefined): string {
  if (!conformed) return "";
  return `; ${count(conformed.walks)} walks of ${count(conformed.steps)} steps beside a real session`;
}

function totalOf(maps: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const [name, times] of maps.flatMap((map) => [...map]))
    total.set(name, (total.get(name) ?? 0) + times);
  return total;
}

function lineOf({ bounds, states, transitions, depth, isWhole, ms }: Searched): string {
  const end = isWhole ? "whole" : "stopped";
  return `${bounds.name}: ${count(states)} states, ${count(transitions)} steps, depth ${depth}, ${end} after ${(ms / 1000).toFixed(1)} s`;
}

function count(number: number): string {
  return number.toLocaleString("en");
}
