// Changes core in every small way, one at a time, and demands that its tests notice, or that the list says why not.
//   pnpm mutate [files of core: machine session …]
import { globSync, readFileSync } from "node:fs";
import { basename, relative } from "node:path";
import { Stryker } from "@stryker-mutator/core";

const LEAST = 95;
const list = "packages/core/test/equivalent-mutants.json";
const equivalents = JSON.parse(readFileSync(list, "utf8"));
const wanted = process.argv.slice(2).filter((argument) => argument !== "--");
const mutate = wanted.map((name) => `packages/core/src/${name}.ts`);
const stryker = new Stryker({
  configFile: "packages/core/stryker.config.mjs",
  ...(mutate.length > 0 && { mutate }),
});
// As they are now: whoever edits them while this runs does not change what was mutated.
const sources = new Map(
  globSync("packages/core/src/*.ts").map((file) => [file, readFileSync(file, "utf8").split("\n")]),
);

const plain = (text) => text.replace(/\s+/g, " ").trim();

// The lines it changes, before and after: that finds it again when other lines have moved.
function shown({ fileName, location: { start, end }, replacement }) {
  const file = relative("", fileName);
  const lines = sources.get(file).slice(start.line - 1, end.line);
  const mutant = lines[0].slice(0, start.column - 1) + replacement + lines.at(-1).slice(end.column - 1);
  return { file, source: plain(lines.join("\n")), mutant: plain(mutant) };
}

const same = (one) => (other) =>
  one.file === other.file && one.source === other.source && one.mutant === other.mutant;
const told = ({ file, source, mutant }) => `${file}\n  - ${source}\n  + ${mutant}`;

const results = (await stryker.runMutationTest()).map(({ status, ...result }) => ({
  status,
  ...shown(result),
}));
const counted = results.filter(({ status }) => status !== "Ignored" && status !== "CompileError");
// A RuntimeError fell outside of a test: a rejection left unhandled, for instance.
const isNoticed = ({ status }) => ["Killed", "Timeout", "RuntimeError"].includes(status);
const survivors = counted.filter((result) => !isNoticed(result));
const open = survivors.filter((survivor) => !equivalents.some(same(survivor)));
// One that no mutant is like explains nothing: its line was changed.
const files = new Set(counted.map(({ file }) => file));
const idle = equivalents.filter((known) => files.has(known.file) && !counted.some(same(known)));

const scoreOf = (some) => (100 * some.filter(isNoticed).length) / some.length;
function row(name, some) {
  const noticed = some.filter(isNoticed).length;
  const left = some.filter((result) => open.includes(result)).length;
  const cells = [some.length, noticed, some.length - noticed - left, left];
  return [
    name.padEnd(14),
    ...cells.map((cell) => `${cell}`.padStart(11)),
    `${scoreOf(some).toFixed(1).padStart(8)} %`,
  ].join("");
}

console.log(`\n${"".padEnd(14)}    mutants    noticed equivalent   survived     score`);
for (const file of [...files].sort()) {
  const inFile = counted.filter((result) => result.file === file);
  console.log(row(basename(file), inFile));
}
console.log(row("core", counted));
for (const survivor of open) console.log(`\nsurvived: ${told(survivor)}`);
for (const known of idle) console.log(`\nexplained in ${list}, yet there is none: ${told(known)}`);
const isMissed = wanted.length === 0 && scoreOf(counted) < LEAST;
if (isMissed) console.log(`\nthe score is below ${LEAST} %`);
process.exitCode = open.length > 0 || idle.length > 0 || isMissed ? 1 : 0;
