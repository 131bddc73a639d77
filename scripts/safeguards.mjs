// Takes every safeguard out of the sources, one at a time, and demands that the title which states it turns red.
//   pnpm safeguards [rule or word]
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { copyTree, patch, runIn } from "./scratch.mjs";

const RULES = 22;
const DEADLINE = 180_000;
const [wanted] = process.argv.slice(2).filter((argument) => argument !== "--");

// Runs only the tests with these titles. Returns a map of their titles to how they ended.
async function outcomes(copy, files, titles) {
  const report = join(copy, "report.json");
  // vitest matches a pattern against names that are joined by " > ", and reports them joined by spaces.
  const patterns = titles.map((title) =>
    title.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(" ", "(?: > | )"),
  );
  const vitest = resolve("node_modules/vitest/vitest.mjs");
  const options = ["--project=node", "--reporter=json", `--outputFile=${report}`, "--testTimeout=3000"];
  rmSync(report, { force: true });
  const pattern = `--testNamePattern=(?:${patterns.join("|")})$`;
  await runIn(copy, [vitest, "run", ...options, pattern, ...files], DEADLINE);
  const results = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).testResults : [];
  const ended = new Map();
  // Rows of a table may share a title: one that failed counts.
  for (const { fullName, status } of results.flatMap((result) => result.assertionResults))
    if (ended.get(fullName) !== "failed") ended.set(fullName, status);
  return ended;
}

// Takes one safeguard out. Returns why it does not count as caught; undefined: it does.
async function complaint({ file, find, replace, test, title }, copy, unmutated) {
  const before = unmutated.get(title) ?? "missing";
  if (before !== "passed") return `in ${test}, with nothing taken out, ${before}: "${title}"`;
  const undo = patch(copy, { file, find, replace });
  if (!undo) return `its source is not there once in ${file}`;
  const after = (await outcomes(copy, [test], [title])).get(title);
  undo();
  if (after !== "failed") return `${test} ${after ? "still passes" : "did not come to"} "${title}"`;
}

const all = readdirSync("packages")
  .map((name) => `packages/${name}/test/safeguards.json`)
  .filter((path) => existsSync(path))
  .flatMap((path) => JSON.parse(readFileSync(path, "utf8")));
const isWanted = ({ rule, ...texts }) =>
  wanted === undefined ||
  String(rule) === wanted ||
  (/\D/.test(wanted) && JSON.stringify(texts).includes(wanted));
const safeguards = all.filter(isWanted).sort((one, other) => one.rule - other.rule);

console.log(`${safeguards.length} safeguards; first their titles, with nothing taken out`);
const copies = ["one", "other"].map(copyTree);
const files = [...new Set(safeguards.map(({ test }) => test))];
const unmutated = await outcomes(copies[0], files, [...new Set(safeguards.map(({ title }) => title))]);
const queue = safeguards.entries();
const missed = new Set();
let told = 0;

async function work(copy) {
  for (const [, safeguard] of queue) {
    const why = await complaint(safeguard, copy, unmutated);
    if (why) missed.add(safeguard);
    const outcome = why ? `NOT CAUGHT: ${why}` : `caught by "${safeguard.title}"`;
    console.log(`${++told}/${safeguards.length} rule ${safeguard.rule}: ${safeguard.safeguard}: ${outcome}`);
  }
}
await Promise.all(copies.map(work));

console.log("\nrule  caught");
const bare = [];
for (let rule = 1; rule <= RULES; rule++) {
  const some = safeguards.filter((safeguard) => safeguard.rule === rule);
  const caught = some.filter((safeguard) => !missed.has(safeguard)).length;
  if (some.length > 0) console.log(`${String(rule).padStart(4)}  ${caught} of ${some.length}`);
  else if (wanted === undefined) bare.push(rule);
}
if (bare.length > 0) console.log(`rules without a safeguard: ${bare.join(", ")}`);
console.log(`${safeguards.length} safeguards, ${missed.size} not caught`);
process.exitCode = missed.size > 0 || bare.length > 0 || safeguards.length === 0 ? 1 : 0;
