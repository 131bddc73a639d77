import { existsSync } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const conditions = ["@freshtoken/source"];
const chromium = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
// In CI nothing excuses its absence: the project then fails to start.
const hasChromium = process.env.CI === "true" || existsSync(chromium);
const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const inNode = {
  test: {
    name: "node",
    include: ["{packages,apps}/*/test/**/*.test.ts"],
    exclude: ["**/*.browser.test.ts"],
    execArgv: ["--expose-gc"],
  },
};

const inChromium = {
  // What is found only on the way makes the page load again.
  optimizeDeps: { entries: ["packages/*/test/**/*.browser.test.ts"] },
  test: {
    name: "chromium",
    include: ["packages/*/test/**/*.browser.test.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath: chromium, args } }),
      instances: [{ browser: "chromium" as const }],
    },
  },
};

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    setupFiles: ["./vitest.setup.ts"],
    globalSetup: ["./packages/testing/test/host-setup.ts"],
    testTimeout: 20_000,
    // A browser that starts on a machine at work takes its time.
    hookTimeout: 60_000,
    coverage: { include: ["packages/*/src/**"] },
    projects: hasChromium ? [inNode, inChromium] : [inNode],
  },
});
