// Builds every package with turbo, which is told not to phone home; drops what earlier builds left of deleted sources.
import { spawnSync } from "node:child_process";
import { existsSync, globSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

for (const file of globSync("packages/*/dist/**/*.{js,js.map,d.ts}")) {
  const source = file.replace(/([\\/])dist([\\/])/, "$1src$2").replace(/\.(js|js\.map|d\.ts)$/, ".ts");
  if (!existsSync(source)) rmSync(file);
}

const { status } = spawnSync(
  process.execPath,
  [fileURLToPath(import.meta.resolve("turbo/bin/turbo")), "run", "build", ...process.argv.slice(2)],
  { stdio: "inherit", env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1" } },
);
process.exitCode = status ?? 1;
