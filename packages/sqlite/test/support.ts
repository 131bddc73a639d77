import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { killAll } from "../chaos/fleet.ts";

const folder = mkdtempSync(join(tmpdir(), "freshtoken-sqlite-"));
afterAll(async () => {
  await killAll();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
let made = 0;

/** The path of a data file that is not there yet. */
export function newFile(): string {
  return join(folder, `${++made}.db`);
}
