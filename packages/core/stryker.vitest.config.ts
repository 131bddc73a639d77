import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Mutants live in a copy of the tree: both packages are taken from there.
const entry = (name: string) => fileURLToPath(new URL(`../${name}/src/index.ts`, import.meta.url));

export default defineConfig({
  resolve: { alias: { "@freshtoken/core": entry("core"), "@freshtoken/testing": entry("testing") } },
  test: {
    include: ["packages/core/test/*.test.ts"],
    exclude: ["**/heap.test.ts", "**/store-contract.test.ts", "**/*.browser.test.ts"],
    setupFiles: ["./vitest.setup.ts", "./packages/core/stryker.setup.ts"],
    isolate: false,
    testTimeout: 2_000,
  },
});
