import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

/** The arguments that make Node run the demo. */
export const demo: readonly string[] = ["--conditions=@freshtoken/source", main];

/** A process, and what it has printed. */
export interface Observed {
  readonly child: ChildProcess;
  readonly printed: { out: string; err: string };
  /** Its exit code and signal. */
  readonly ended: Promise<unknown[]>;
}

/** Runs Node with these arguments. */
export function run(...args: readonly string[]): Observed {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const printed = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (printed.out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (printed.err += text));
  return { child, printed, ended: once(child, "close") };
}

/** Finds the ports that the demo says it uses. */
export function portsOf(out: string): number[] {
  return Array.from(out.matchAll(/http:\/\/127\.0\.0\.1:(\d+)/g), ([, port]) => Number(port));
}

/** Whose bursts the demo compares. */
const names = ["Freshtoken", "by hand", "interceptor", "axios-auth-refresh"] as const;

/** Reads the table: what each row says of each client. */
export function readTable(out: string): Record<string, readonly string[]> {
  const [, table = ""] = out.split(new RegExp(`^ +${names.join(" +")}$`, "m"));
  const rows = table.matchAll(/^ +(\S.*?) {2,}((?:\d.*|–.*))$/gm);
  return Object.fromEntries(Array.from(rows, ([, row = "", cells = ""]) => [row, cells.split(/ {2,}/)]));
}

/** Adds up what the timeline draws of each client, over all bursts. */
export function readTimeline(out: string, what: string): readonly string[] {
  const [, ...lanes] = out.split(new RegExp(`^(?= {2}(?:${names.join("|")})$)`, "m"));
  const sum = (name: string) =>
    lanes
      .filter((lane) => lane.startsWith(`  ${name}\n`))
      .map((lane) => Number(new RegExp(`^ {4}${what} .*?(\\d+)$`, "m").exec(lane)?.[1] ?? 0))
      .reduce((total, number) => total + number, 0);
  return names.map((name) => String(sum(name)));
}
