// Takes every safeguard out of the sources, one at a time, and demands that the title which states it turns red.
//   pnpm safeguards [rule or word]
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const RULES = 22;
const DEADLINE = 60_000;
const [wanted] = process.argv.slice(2).filter((argument) => argument !== "--");
const temporary = mkdtempSync(join(realpathSync(tmpdir()), "freshtoken-safeguards-"));
const children = new Set();

// Each in a process group of its own, so that a worker that spins ends with it.
function stop({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {}
}

process.on("exit", () => {
  children.forEach(stop);
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

// The links in packages/*/node_modules are relative: in the copy they lead to the packages of the copy.
function copyTree(name) {
  const copy = join(temporary, name);
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
  const present = String(listed).split("\0").filter(existsSync);
  for (const path of present) cpSync(path, join(copy, path));
  for (const folder of readdirSync("packages").map((path) => `packages/${path}/node_modules`))
    if (existsSync(folder)) cpSync(folder, join(copy, folder), { recursive: true, verbatimSymlinks: true });
  mkdirSync(join(copy, "node_modules"));
  const linked = readdirSync("node_modules").filter((path) => path === ".pnpm" || !path.startsWith("."));
  for (const path of linked) symlinkSync(resolve("node_modules", path), join(copy, "node_modules", path));
  return copy;
}

// Runs only the tests with these titles. Returns a map of their titles to how they ended.
function outcomes(copy, files, titles) {
  const report = join(copy, "report.json");
  // vitest matches a pattern against names that are joined by " > ", and reports them joined by spaces.
  const patterns = titles.map((title) =>
    title.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(" ", "(?: > | )"),
  );
  const vitest = resolve("node_modules/vitest/vitest.mjs");
  const options = ["--project=node", "--reporter=json", `--outputFile=${report}`, "--testTimeout=3000"];
  const args = [vitest, "run", ...options, `--testNamePattern=(?:${patterns.join("|")})$`, ...files];
  rmSync(report, { force: true });
  const child = spawn(process.execPath, args, { cwd: copy, stdio: "ignore", detached: true });
  children.add(child);
  const timer = setTimeout(stop, DEADLINE, child);
  return new Promise((done) => {
    child.on("close", () => {
      clearTimeout(timer);
      children.delete(child);
      const results = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).testResults : [];
      const ended = new Map();
      // Rows of a table may share a title: one that failed counts.
      for (const { fullName, status } of results.flatMap((result) => result.assertionResults))
        if (ended.get(fullName) !== "failed") ended.set(fullName, status);
      done(ended);
    });
  });
}

// Takes one safeguard out. Returns why it does not count as caught; undefined: it does.
async function complaint({ file, find, replace, test, title }, copy, unmutated) {
  const path = join(copy, file);
  const source = existsSync(path) ? readFileSync(path, "utf8") : "";
  const parts = source.split(find);
  if (parts.length !== 2) return `its source is there ${parts.length - 1} times in ${file}`;
  const before = unmutated.get(title) ?? "missing";
  if (before !== "passed") return `in ${test}, with nothing taken out, ${before}: "${title}"`;
  writeFileSync(path, parts.join(replace));
  const after = (await outcomes(copy, [test], [title])).get(title);
  writeFileSync(path, source);
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
