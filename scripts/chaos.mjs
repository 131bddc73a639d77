// Kills, stops and starves what shares a session, at random, for a bounded time; a table at the end says what came of it.
//   pnpm chaos [package …] [--seed=1] [--minutes=5]
// Each packages/NAME/chaos/main.ts is started as `main.ts --seed=… --seconds=… --out=…`: it says its progress in lines, and
// writes what it ran as JSON: [{ run, did, violations: [], leftOut? }].
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const given = process.argv.slice(2).filter((argument) => argument !== "--");
const option = (name) =>
  given
    .map((argument) => new RegExp(`^--${name}=(\\d+)$`).exec(argument)?.[1])
    .find((value) => value !== undefined);
const wanted = given.filter((argument) => !argument.startsWith("--"));
const seed = Number(option("seed") ?? Date.now() % 1_000_000);
const seconds = Number(option("minutes") ?? 5) * 60;
// What has not come to its end by then is not going to.
const deadline = (2 * seconds + 120) * 1_000;

const temporary = mkdtempSync(join(tmpdir(), "freshtoken-chaos-"));
const children = new Set();
process.on("exit", () => {
  children.forEach(stop);
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

// With everything that it has started.
function stop({ pid }) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {}
}

const began = performance.now();
function say(name, line) {
  console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${name.padEnd(8)} ${line}`);
}

function run(name, main) {
  const out = join(temporary, `${name}.json`);
  const args = ["--conditions=@freshtoken/source", "--disable-warning=ExperimentalWarning", main];
  const child = spawn(process.execPath, [...args, `--seed=${seed}`, `--seconds=${seconds}`, `--out=${out}`], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  children.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => line.trim() && say(name, line));
  }
  const timer = setTimeout(stop, deadline, child);
  return new Promise((done) => {
    child.on("close", (code) => {
      clearTimeout(timer);
      stop(child);
      children.delete(child);
      const runs = existsSync(out) ? JSON.parse(readFileSync(out, "utf8")) : [];
      if (code !== 0 || runs.length === 0)
        runs.push({ run: "all", did: "–", violations: [`it came to no end (exit code ${code})`] });
      done(runs.map((each) => ({ name, ...each })));
    });
  });
}

const mains = globSync("packages/*/chaos/main.ts")
  .map((main) => ({ name: main.split(/[\\/]/)[1], main }))
  .filter(({ name }) => wanted.length === 0 || wanted.includes(name));
console.log(`seed ${seed}, ${seconds} s for each of: ${mains.map(({ name }) => name).join(", ")}`);

const results = [];
for (const { name, main } of mains) results.push(...(await run(name, main)));

console.log("\n| package | run | what it did | violations |\n| --- | --- | --- | --- |");
for (const { name, run, did, violations, leftOut } of results)
  console.log(`| ${name} | ${run} | ${leftOut ? `left out: ${leftOut}` : did} | ${violations.length} |`);
const all = results.flatMap(({ name, run, violations }) =>
  violations.map((what) => `${name}, ${run}: ${what}`),
);
for (const violation of all.slice(0, 20)) console.log(`\n${violation}`);
console.log(`\n${all.length} violations, seed ${seed}, ${((performance.now() - began) / 1000).toFixed(0)} s`);
process.exitCode = all.length > 0 || results.length === 0 ? 1 : 0;
