// The chaos of machines that share Redis.
//   main.ts --seed=1 --seconds=300 --out=report.json
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { crashes } from "./crashes.ts";
import { expiries } from "./expiries.ts";
import { outages } from "./outages.ts";
import type { Run, Work } from "./run.ts";

const { values } = parseArgs({
  options: { seed: { type: "string" }, seconds: { type: "string" }, out: { type: "string" } },
});
const seconds = Number(values.seconds ?? 300);
// Park and Miller's: what a seed does, it does again.
let state = 1 + (Number(values.seed ?? 1) % 2_147_483_646);
const random = () => {
  state = (state * 48_271) % 2_147_483_647;
  return state / 2_147_483_647;
};

// Small seeds differ little at first.
for (let draws = 0; draws < 10; draws++) random();

const works: readonly Work[] = [expiries, crashes, outages];
const report: Run[] = [];
for (const work of works) {
  const say = (line: string) => console.log(`${work.name}: ${line}`);
  say("begins");
  const ends = performance.now() + (seconds * 1_000) / works.length;
  report.push({ run: work.name, ...(await work({ random, say, goesOn: () => performance.now() < ends })) });
}
if (values.out) writeFileSync(values.out, JSON.stringify(report));
for (const { run, did, violations } of report) console.log([`${run}: ${did}`, ...violations].join("\n  "));
