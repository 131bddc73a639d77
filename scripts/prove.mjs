// Proves the core: explores every layer at its full scale, plants bugs that the layers must find, and writes what
// came of it into docs/proof.json, and from there into docs/proof.md.
//   pnpm prove [layer … | planted]
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { copyTree, patch, runIn } from "./scratch.mjs";

const page = "docs/proof.md";
const data = "docs/proof.json";
const temporary = mkdtempSync(join(tmpdir(), "freshtoken-prove-"));
const wanted = process.argv.slice(2).filter((argument) => argument !== "--");
const began = performance.now();
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));

const node = ["--conditions=@freshtoken/source", "--expose-gc", "--max-old-space-size=8192"];
const explorer = "packages/core/proof/main.ts";
const reportOf = (name) => join(temporary, `${name}.json`);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));

function layer(name) {
  return {
    name,
    args: [...node, explorer, name, `--out=${reportOf(name)}`],
    findings: () => read(reportOf(name)),
  };
}

function tests(name, what, filter) {
  const args = ["run", "--reporter=json", `--outputFile=${reportOf(name)}`, filter];
  function findings() {
    const ran = read(reportOf(name)).testResults.flatMap(({ assertionResults }) => assertionResults);
    const failed = ran.filter(({ status }) => status !== "passed");
    const violations = failed.map(({ fullName, failureMessages }) =>
      [fullName, ...failureMessages].join("\n"),
    );
    return { what, bounds: "", explored: `${ran.length} cases`, violations, limits: {} };
  }
  return { name, args: ["node_modules/vitest/vitest.mjs", ...args], findings };
}

const safeguards = {
  name: "safeguards",
  args: ["scripts/safeguards.mjs"],
  findings(output) {
    const [, count = "0", missed] = /(\d+) safeguards, (\d+) not caught/.exec(output) ?? [];
    const what = "takes each safeguard of a rule out, alone: the title that names it must turn red";
    const violations = missed === "0" ? [] : [output];
    return { what, bounds: "all 22 rules", explored: `${count} safeguards`, violations, limits: {} };
  },
};

// A layer takes some ten seconds at its small scale.
const PATIENCE = 90_000;

const layers = ["orders", "world", "commands", "fuzz", "leaks", "microtasks"].map(layer);
const [orders, world, ...others] = layers;
// The long ones first, so that the two which run side by side end together.
const steps = [
  layer("four"),
  orders,
  ...others,
  safeguards,
  tests(
    "contract",
    "holds every adapter to the contract, over loopback, in Node and in Chromium",
    "contract",
  ),
  tests("adapters", "counts what each adapter keeps, beside its bare client", "leaks.test"),
  world,
].filter(({ name }) => wanted.length === 0 || wanted.includes(name));

const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

function say(name, line) {
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(5);
  console.log(`${seconds} s  ${name.padEnd(11)} ${line}`);
}

// Says each line as it comes. Resolves with all that was printed.
function run({ name, args }) {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  const printed = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      printed.push(line);
      if (line.trim() !== "") say(name, line);
    });
  }
  return new Promise((resolve) =>
    child.on("close", () => {
      running.delete(child);
      resolve(printed.join("\n"));
    }),
  );
}

async function explored(step) {
  const start = performance.now();
  const output = await run(step);
  const seconds = (performance.now() - start) / 1000;
  try {
    return { ...step.findings(output), name: step.name, seconds };
  } catch {
    const violations = [`It came to no end:\n${output.slice(-4000)}`];
    return { name: step.name, what: "", bounds: "", explored: "–", violations, limits: {}, seconds };
  }
}

// Two at a time: on one core more would only wait for each other.
async function two(items, work) {
  const results = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all([worker(), worker()]);
  return results;
}

const isFinding = (outcome) => outcome === "found" || outcome === "hangs";

// A proof that cannot fail proves nothing: each bug is planted in a copy, and each layer looks for it there.
async function plant() {
  const bugs = read("packages/core/proof/planted.json");
  const copies = ["one", "other"].map(copyTree);
  return two(bugs, async ({ bug, patches }) => {
    const copy = copies.pop();
    const undos = patches.map((each) => patch(copy, each));
    const found = {};
    for (const { name } of layers) {
      const { code } = await runIn(copy, [...node, explorer, name, "--scale=test"], PATIENCE);
      // What turns in circles for ever between two tasks can only be stopped from outside.
      found[name] = { 0: "–", 3: "found", null: "hangs" }[code] ?? "broke";
    }
    const missing = undos.includes(undefined);
    for (const undo of undos) undo?.();
    copies.push(copy);
    const finders = layers.filter(({ name }) => isFinding(found[name])).map(({ name }) => name);
    say(
      "planted",
      `${bug}: ${missing ? "its source is not there once" : `found by ${finders.join(", ") || "NOBODY"}`}`,
    );
    return { bug, found, isFound: !missing && finders.length > 0 };
  });
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const time = (seconds) => (seconds < 100 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(1)} min`);

const results = await two(steps, explored);
const planted = wanted.length === 0 || wanted.includes("planted") ? await plant() : undefined;

for (const { name, violations } of results)
  for (const violation of violations) console.log(`\n${name}: ${violation}`);

// What was explored now takes the place of what was found before; the rest stays, with its own date.
const known = existsSync(data) ? read(data) : { layers: {}, planted: [] };
const on = new Date().toISOString().slice(0, 10);
for (const { name, notes, violations, ...found } of results)
  known.layers[name] = { ...found, violations: violations.length, on };
known.planted = planted ?? known.planted;
writeFileSync(data, `${JSON.stringify(known, null, 2)}\n`);

const names = [...layers.map(({ name }) => name), "safeguards", "contract", "adapters"];
names.splice(1, 0, "four");
const found = names.filter((name) => name in known.layers).map((name) => ({ name, ...known.layers[name] }));
const summary = table(
  ["layer", "what it does", "explored", "within", "time", "violations", "run on"],
  found.map(({ name, what, explored, bounds, seconds, violations, on }) => [
    name,
    what,
    explored,
    bounds,
    time(seconds),
    String(violations),
    on,
  ]),
);
const limits = table(
  ["layer", "what cannot be promised", "seen"],
  found.flatMap(({ name, limits }) =>
    Object.entries(limits).map(([limit, count]) => [name, limit, count.toLocaleString("en")]),
  ),
);
const planting = table(
  ["planted bug", ...layers.map(({ name }) => name)],
  known.planted.map(({ bug, found }) => [bug, ...layers.map(({ name }) => found[name])]),
);
const matrix = known.planted.length > 0 ? planting : "Not run yet: `npx pnpm@12 prove planted`.";
const blind = layers.filter(({ name }) => planted && !planted.some(({ found }) => isFinding(found[name])));
for (const { name } of blind) console.log(`${name} has not been seen to fail`);

console.log(`\n${summary}\n\n${limits}\n\n${matrix}\n`);
const flaws =
  results.reduce((total, { violations }) => total + violations.length, 0) +
  (planted ?? []).filter(({ isFound }) => !isFound).length +
  blind.length;
console.log(`${flaws} violations, ${time((performance.now() - began) / 1000)}`);
process.exitCode = flaws > 0 || results.length + (planted ?? []).length === 0 ? 1 : 0;

const between = (text, mark, filling) =>
  text.replace(new RegExp(`(<!-- ${mark} -->).*(<!-- /${mark} -->)`, "s"), (_, from, to) =>
    [from, filling, to].join("\n\n"),
  );
const written = between(readFileSync(page, "utf8"), "found", summary);
writeFileSync(page, between(between(written, "limits", limits), "planted", matrix));
await runIn(".", [resolve("node_modules/@biomejs/biome/bin/biome"), "format", "--write", page, data], 60_000);
