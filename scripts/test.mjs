// Everything that must hold, one line a step; the last line counts the tests.
//   pnpm test [vitest filters]
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const filters = process.argv.slice(2).filter((argument) => argument !== "--");
const temporary = mkdtempSync(join(tmpdir(), "freshtoken-test-"));
const report = join(temporary, "report.json");
const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];

const steps = [
  ["types", "node_modules/typescript/bin/tsc", "--noEmit"],
  ["lint", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
  ["dead exports", "node_modules/knip/bin/knip.js", "--no-progress"],
  ["shape", "scripts/shape.mjs"],
  ["build", "scripts/build.mjs", "--output-logs=errors-only"],
  ["tarballs", "scripts/tarballs.mjs"],
  ["size", "scripts/size.mjs"],
  ["tests", "node_modules/vitest/vitest.mjs", "run", ...reporters, ...filters],
  // Under a filter most titles did not run: then only the code blocks are judged.
  ["readme", "scripts/readme.mjs", ...(filters.length === 0 ? [report] : [])],
];

let child;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    child?.kill(signal);
    process.exit(1);
  });
}
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));

function run(args) {
  return new Promise((resolve) => {
    child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const chunks = [];
    child.stdout.on("data", (chunk) => chunks.push(chunk));
    child.stderr.on("data", (chunk) => chunks.push(chunk));
    child.on("close", (code) =>
      resolve({ ok: code === 0, output: Buffer.concat(chunks).toString().trimEnd() }),
    );
  });
}

async function take([name, ...args]) {
  process.stdout.write(name.padEnd(14));
  const start = performance.now();
  const { ok, output } = await run(args);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${ok ? "ok" : "FAILED"}`.padEnd(8), `${seconds} s`.padStart(8));
  if (!ok) console.log(`\n${output}\n`);
  return ok;
}

// A file that broke outside its tests has none that failed, and counts as one.
function outcomes({ status, name, message, assertionResults: tests }) {
  const told = tests.map((test) => ({ status: test.status, title: test.fullName }));
  const silent = status === "failed" && !tests.some((test) => test.status === "failed");
  return silent ? [...told, { status: "failed", title: `${name}: ${message}` }] : told;
}

const failures = [];
for (const step of steps) if (!(await take(step))) failures.push(step[0]);

const results = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).testResults : [];
const tests = results.flatMap(outcomes);
const passed = tests.filter(({ status }) => status === "passed").length;
const skipped = tests
  .filter(({ status }) => status !== "passed" && status !== "failed")
  .map(({ title }) => title);
// Without Chromium the tests that run in pages are left out.
const pages = filters.length === 0 ? globSync("packages/*/test/**/*.browser.test.ts") : [];
const left = pages.filter((page) => !results.some(({ name }) => name.endsWith(page)));
// In CI nothing excuses what did not run: the machine was to bring what the test wants.
const isCI = process.env.CI === "true";
const failed = tests.length - passed + (isCI ? left.length : -skipped.length);

for (const title of skipped) console.log(`skipped: ${title}`);
for (const page of left) console.log(`not run, for want of Chromium: ${page}`);
if (failures.length > 0) console.log(`failed: ${failures.join(", ")}`);
if (tests.length === 0) console.log("no test was executed");
process.exitCode = failures.length > 0 || failed > 0 || passed === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed} failed`);
