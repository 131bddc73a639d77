import { parseArgs } from "node:util";
import { runWorld } from "./world.ts";

// Tells the whole story of one world: main.ts --seed 17
const { values } = parseArgs({ options: { seed: { type: "string", default: "1" } } });
const report = await runWorld(Number(values.seed));
console.log(JSON.stringify(report.recipe));
console.log(report.story());
console.log(report.limits, report.violations);
