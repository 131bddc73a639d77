import { existsSync } from "node:fs";

/** Tells whether tests in a browser run: everywhere it is installed, and in CI, where nothing excuses its absence. */
export function isWanted(executable: string): boolean {
  return process.env.CI === "true" || existsSync(executable);
}
