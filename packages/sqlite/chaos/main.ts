// The chaos of processes that share a file.
//   main.ts --seed=1 --seconds=300 --out=report.json
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createChance } from "./chance.ts";
import { fullDisk } from "./disk.ts";
import { expiries, kills, type Run, stops } from "./traffic.ts";
import { kill, type Window } from "./windows.ts";

const { values } = parseArgs({
  options: { seed: { type: "string" }, seconds: { type: "string" }, out: { type: "string" } },
});
const chance = createChance(Number(values.seed ?? 1));
const seconds = Number(values.seconds ?? 300);
const folder = mkdtempSync(join(tmpdir(), "freshtoken-chaos-sqlite-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

const survived: Readonly<Record<Window, boolean>> = {
  locked: true,
  rotated: false,
  answered: false,
  saving: false,
  saved: true,
};

/** Kills processes at points that chance chooses, against servers with and without a grace: as the table predicts. */
async function windows(file: string, say: (line: string) => void): Promise<Run> {
  const end = performance.now() + (seconds / 5) * 1_000;
  const counts: Record<string, number> = {};
  const violations: string[] = [];
  for (let round = 1; performance.now() < end; round++) {
    const window = chance.one(Object.keys(survived) as Window[]);
    const grace = chance.one([undefined, { within: 10_000 }]);
    const { others, kept, attempts } = await kill(`${file}-${round}`, window, grace);
    const goesOn = survived[window] || grace !== undefined;
    const isAsPredicted =
      goesOn === (others[200] === 10) && goesOn === (kept.records.length === 1) && kept.isSound;
    const name = `${window}${grace ? " in grace" : ""}`;
    counts[name] = (counts[name] ?? 0) + 1;
    if (!isAsPredicted) violations.push(`${name}: ${JSON.stringify({ attempts, others, kept })}`);
    if (round % 10 === 0) say(`${round} processes killed`);
  }
  const did = Object.entries(counts).map(([name, count]) => `${count} × ${name}`);
  return { did: did.sort().join(", "), violations };
}

const runs: readonly [
  name: string,
  run: (file: string, say: (line: string) => void) => Promise<Run | undefined>,
][] = [
  ["expiries", (file, say) => expiries({ file, chance, seconds, say })],
  ["kills", (file, say) => kills({ file, chance, seconds: seconds / 4, say })],
  ["stops", (file, say) => stops({ file, chance, seconds: seconds / 4, say })],
  ["windows", windows],
  ["full disk", (file) => fullDisk(file)],
];

const report: (Partial<Run> & { run: string; leftOut?: string })[] = [];
for (const [run, start] of runs) {
  const say = (line: string) => console.log(`${run}: ${line}`);
  say("begins");
  const came = await start(join(folder, run), say);
  report.push({ run, violations: [], ...(came ?? { leftOut: "this user may not mount a file system" }) });
}
if (values.out) writeFileSync(values.out, JSON.stringify(report));
process.exitCode = 0;
