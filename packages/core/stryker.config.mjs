import { tmpdir } from "node:os";
import { join } from "node:path";

// Paths are those of the repository, from whose root Stryker runs.
export default {
  mutate: ["packages/core/src/*.ts"],
  plugins: [import.meta.resolve("@stryker-mutator/vitest-runner")],
  testRunner: "vitest",
  vitest: { configFile: "packages/core/stryker.vitest.config.ts", related: false },
  coverageAnalysis: "perTest",
  concurrency: 2,
  reporters: ["progress-append-only"],
  tempDirName: join(tmpdir(), "freshtoken-stryker"),
  ignorePatterns: [
    "/**",
    "!/package.json",
    "!/vitest.setup.ts",
    "!/packages/core/**",
    "!/packages/testing/**",
    "node_modules",
    "dist",
  ],
  disableTypeChecks: false,
};
