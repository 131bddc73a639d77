import type { Findings, Layer, Scale } from "../layer.ts";
import { type Report, runWorld } from "./world.ts";

const WORLDS: Readonly<Record<Scale, number>> = { test: 2_000, prove: 100_000 };
// Whoever looks into one wants to read it.
const MOST_STORIES = 3;

/** Simulates several contexts that share a store, the servers they ask, and all that can befall them. */
export const world: Layer = {
  name: "world",
  what: "simulates tabs and processes that share a store, a server that rotates and revokes, and what befalls them: kills, sleep, wrong clocks, lost answers, a store with faults",
  explore,
};

async function explore(scale: Scale, progress: (line: string) => void): Promise<Findings> {
  const worlds = WORLDS[scale];
  const limits = new Map<string, number>();
  const counts = new Map<string, number>();
  const stories: string[] = [];
  let flawed = 0;
  for (let seed = 1; seed <= worlds; seed++) {
    const report = await runWorld(seed);
    add(limits, report.limits);
    add(counts, report.counts);
    if (report.violations.length > 0 && ++flawed <= MOST_STORIES) stories.push(told(report));
    if (seed % (worlds / 10) === 0)
      progress(`${seed.toLocaleString("en")} worlds, ${flawed} with violations`);
  }
  return {
    bounds:
      "1 to 6 contexts, up to 32 actions of users and servers in up to 2 minutes, each kind of fault in about half of the worlds",
    explored: `${worlds.toLocaleString("en")} worlds, ${(counts.get("attempt") ?? 0).toLocaleString("en")} attempts, ${(counts.get("request") ?? 0).toLocaleString("en")} requests`,
    violations: [...stories, ...(flawed > MOST_STORIES ? [`${flawed - MOST_STORIES} more worlds`] : [])],
    limits: Object.fromEntries([...limits].sort(byCount)),
    notes: [...counts].sort(byCount).map(([what, count]) => `${count.toLocaleString("en")} × ${what}`),
  };
}

function add(totals: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [what, count] of Object.entries(counts)) totals.set(what, (totals.get(what) ?? 0) + count);
}

function byCount([, one]: [string, number], [, other]: [string, number]): number {
  return other - one;
}

function told({ seed, violations, story }: Report): string {
  const replay = "node --conditions=@freshtoken/source packages/core/proof/world/main.ts --seed";
  return [`World ${seed} (${replay} ${seed}):`, story(), ...violations].join("\n");
}
