// Holds the READMEs to their word: code compiles, promises are titles of tests that passed.
//   node scripts/readme.mjs [vitest's JSON report]
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

const cache = "node_modules/.cache/readme";
const readmes = globSync(["README.md", "docs/*.md", "packages/*/README.md"]);
const [report] = process.argv.slice(2);

// One module a block, its lines where they stand in the README.
function blocks(readme) {
  const text = readFileSync(readme, "utf8");
  return [...text.matchAll(/^```ts\b.*\n([\s\S]*?)^```/gm)].map(({ index, 1: code }) => {
    const line = text.slice(0, index).split("\n").length;
    return { file: `${readme}.${line}.ts`, code: `${"\n".repeat(line)}${code}export {};\n` };
  });
}

// An example may import what a package may, and the packages.
function modules() {
  return globSync("packages/*/package.json").flatMap((path) => {
    const { name, dependencies, devDependencies } = JSON.parse(readFileSync(path, "utf8"));
    const installed = Object.keys({ ...dependencies, ...devDependencies });
    return [
      [name, dirname(path)],
      ...installed.map((other) => [other, `${dirname(path)}/node_modules/${other}`]),
    ];
  });
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function compile() {
  const examples = readmes.flatMap(blocks);
  if (examples.length === 0) return [];

  rmSync(cache, { recursive: true, force: true });
  for (const { file, code } of examples) write(`${cache}/${file}`, code);
  for (const [name, target] of new Map(modules())) {
    mkdirSync(dirname(`${cache}/node_modules/${name}`), { recursive: true });
    symlinkSync(resolve(target), `${cache}/node_modules/${name}`, "junction");
  }
  write(`${cache}/package.json`, JSON.stringify({ type: "module" }));
  write(
    `${cache}/tsconfig.json`,
    JSON.stringify({
      extends: resolve("tsconfig.json"),
      files: examples.map(({ file }) => file),
      include: [],
    }),
  );
  const args = ["node_modules/typescript/bin/tsc", "-p", cache, "--pretty", "false"];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const told = stdout.replaceAll(`${cache}/`, "").replaceAll(/\.md\.\d+\.ts/g, ".md");
  return status === 0 ? [] : [told.trim()];
}

function promises() {
  const [, section = ""] =
    /^## Promises\n([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(readFileSync("README.md", "utf8")) ?? [];
  return [...section.matchAll(/^[-*] (.+(?:\n {2,}\S.*)*)/gm)].map(([, item]) =>
    item.replaceAll(/\s*\n\s*/g, " "),
  );
}

function broken() {
  if (report === undefined || !readmes.includes("README.md")) return [];
  if (!existsSync(report)) return ["README.md: no report of the tests, so no promise can be judged"];
  const tests = JSON.parse(readFileSync(report, "utf8")).testResults.flatMap((file) => file.assertionResults);
  const kept = new Set(tests.filter(({ status }) => status === "passed").map(({ title }) => title));
  const made = promises();
  if (made.length === 0) return ["README.md: promises nothing (a list under ## Promises)"];
  return made
    .filter((promise) => !kept.has(promise))
    .map((promise) => `README.md: no test passed that says: ${promise}`);
}

const problems = [...compile(), ...broken()];
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
