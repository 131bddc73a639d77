import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "freshtoken-sqlite-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;

/** The path of a data file that is not there yet. */
export function newFile(): string {
  return join(folder, `${++made}.db`);
}
