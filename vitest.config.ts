import { defineConfig } from "vitest/config";

const conditions = ["@freshtoken/source"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ["{packages,apps}/*/test/**/*.test.ts"],
    setupFiles: ["./vitest.setup.ts"],
    execArgv: ["--expose-gc"],
    testTimeout: 20_000,
    coverage: { include: ["packages/*/src/**"] },
  },
});
