import { existsSync } from "node:fs";
import { describe } from "vitest";

/** Tests that want a browser: they run wherever it is installed, and in CI, where nothing excuses its absence. */
export function describeIn(executable: string, title: string, tests: () => void): void {
  const isThere = process.env.CI === "true" || existsSync(executable);
  const reason = isThere ? "" : ` (not run, since there is no ${executable})`;
  describe.runIf(isThere)(title + reason, { timeout: 20_000 }, tests);
}
