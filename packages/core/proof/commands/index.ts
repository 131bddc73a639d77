import fc from "fast-check";
import type { Findings, Layer, Scale } from "../layer.ts";
import { kinds } from "./commands.ts";
import { pinned } from "./pinned.ts";
import { given, run } from "./run.ts";
import type { Witness } from "./witness.ts";

const SEED = 20_261_120;
const SLICE = 500;
const RUNS: Readonly<Record<Scale, number>> = { test: 1_000, prove: 50_000 };

/** What the runs have to come to, or they show nothing. */
const OUTCOMES: readonly string[] = [
  ...["200", "401", "aborted", "SignedOutError", "RefreshFailedError", "RefreshRejectedError"].map(
    (outcome) => `request: ${outcome}`,
  ),
  "request: QueueFullError",
  "request: NotReplayableError",
  ...["tokens", "aborted", "SignedOutError", "RefreshFailedError", "RefreshRejectedError"].flatMap(
    (outcome) => [`tokens: ${outcome}`, `refresh: ${outcome}`],
  ),
  ...["renewed", "failed", "rejected", "lost", "unusable", "renewed, late", "rejected, late"].map(
    (answer) => `refresh: ${answer}`,
  ),
  ...["stored", "lost", "failed", "stored, late"].map((how) => `save: ${how}`),
  ...["a record", "nothing", "failed"].map((how) => `load: ${how}`),
  ...["stale", "ageing", "refused", "requested"].map((reason) => `round: ${reason}`),
  "event: refreshed by us",
  "event: refreshed by another",
  "event: signedIn by another",
  "event: signedOut by another",
  "event: refreshFailed",
  "event: refreshSuppressed",
  "event: storeFailed",
  "event: held",
  "event: released",
  "presented again after a loss",
  "repeated at once",
  "replayed",
  "revoked",
  "sent without a token",
  "ends signed in",
  "ends signed out",
];

export const layer: Layer = {
  name: "Random orders",
  what: "Drives the real session through random orders of everything that can happen, and holds it to what a small model allows.",
  async explore(scale, progress) {
    const seen = new Map<string, number>();
    const limits = new Map<string, number>();
    const violations = await replayPinned();
    for (let done = 0; done < RUNS[scale] && violations.length === 0; done += SLICE) {
      const violation = await slice(SEED + done, seen, limits);
      if (violation) violations.push(violation);
      progress(`${(done + SLICE).toLocaleString("en")} runs, from seed ${SEED}`);
    }
    const missing = [...kinds.map((kind) => `command: ${kind}`), ...OUTCOMES].filter(
      (name) => !seen.has(name),
    );
    if (violations.length === 0 && missing.length > 0) violations.push(`never seen: ${missing.join("; ")}`);
    return findings(scale, violations, seen, limits);
  },
};

/** One violation found, as a story that can be replayed; undefined: none. */
async function slice(
  seed: number,
  seen: Map<string, number>,
  limits: Map<string, number>,
): Promise<string | undefined> {
  let failing: Witness | undefined;
  const property = fc.asyncProperty(given, async (order) => {
    const witness = await run(order);
    const isFailing = witness.violations.length > 0;
    // The last that fails is the smallest.
    if (isFailing) failing = witness;
    count(seen, witness.seen);
    count(limits, new Map([...witness.limits].map((limit) => [limit, 1])));
    return !isFailing;
  });
  const { failed, counterexample, counterexamplePath, errorInstance } = await fc.check(property, {
    seed,
    numRuns: SLICE,
  });
  if (!failed) return undefined;
  const commands = String(counterexample?.[0][2]);
  return told(failing, `seed ${seed}, path "${counterexamplePath}", commands: ${commands}`, errorInstance);
}

async function replayPinned(): Promise<string[]> {
  const violations: string[] = [];
  for (const { title, seed, path } of pinned) {
    const property = fc.asyncProperty(given, async (order) => {
      const witness = await run(order);
      if (witness.violations.length > 0) violations.push(told(witness, title, undefined));
    });
    await fc.check(property, { seed, path, numRuns: 1 });
  }
  return violations;
}

function told(witness: Witness | undefined, replay: string, error: unknown): string {
  const story = witness?.story.map((line, index) => `${index + 1}. ${line}`) ?? [];
  const isBroken = witness?.violations.length === 0 && error;
  return [...(witness?.violations ?? []), ...story, replay, ...(isBroken ? [String(error)] : [])].join("\n");
}

function findings(
  scale: Scale,
  violations: readonly string[],
  seen: ReadonlyMap<string, number>,
  limits: ReadonlyMap<string, number>,
): Findings {
  const of = (names: readonly string[]) => names.map((name) => `${name} ${seen.get(name) ?? 0}`).join(", ");
  return {
    bounds:
      "up to 40 commands of 40 kinds; a store in memory, one that answers later, one that is shared; a server with and without grace; seeds in order",
    explored: `${RUNS[scale].toLocaleString("en")} runs from seed ${SEED}, and ${pinned.length} pinned`,
    violations,
    limits: Object.fromEntries(limits),
    notes: [`commands: ${of(kinds.map((kind) => `command: ${kind}`))}`, `outcomes: ${of(OUTCOMES)}`],
  };
}

function count(into: Map<string, number>, some: ReadonlyMap<string, number>): void {
  for (const [name, times] of some) into.set(name, (into.get(name) ?? 0) + times);
}
