import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Scale } from "./layer.ts";
import { layers } from "./layers.ts";

// Explores one layer: main.ts <layer> [--scale test] [--out findings.json]. Ends with 3 where it found a violation.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: "string", default: "prove" }, out: { type: "string" } },
});

const layer = layers[positionals[0] ?? ""];
if (!layer || (values.scale !== "test" && values.scale !== "prove")) {
  console.error(`Usage: main.ts <${Object.keys(layers).join(" | ")}> [--scale test | prove] [--out file]`);
  process.exit(2);
}

const findings = await layer.explore(values.scale satisfies Scale, (line) => console.log(line));
if (values.out) writeFileSync(values.out, JSON.stringify({ ...findings, what: layer.what }));
for (const note of findings.notes) console.log(note);
for (const violation of findings.violations) console.error(violation);
process.exitCode = findings.violations.length > 0 ? 3 : 0;
