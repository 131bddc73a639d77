import type { Entry, Issued, RequestEntry } from "./log.ts";

/**
 * Tells a server's log line by line, arrivals and answers in the order they happened: made to be compared with an array
 * of strings, so that a failing test shows what went another way.
 *
 * @example
 * ```ts
 * expect(story(server.log)).toStrictEqual([
 *   "signIn: a0 r0",
 *   "→ GET /me a0",
 *   "← 200 GET /me a0",
 *   "→ token r0",
 *   "← 200 token r0: rotated, a1 r1",
 * ]);
 * ```
 */
export function story(log: readonly Entry[]): string[] {
  const lines: string[] = [];
  for (const entry of log) {
    if ("happened" in entry) lines[entry.happened] = told(entry);
    else {
      lines[entry.arrived] = `→ ${subject(entry)}`;
      if (entry.answered !== undefined)
        lines[entry.answered] = `← ${entry.status} ${subject(entry)}${result(entry)}`;
    }
  }
  return lines;
}

function told(entry: Exclude<Entry, RequestEntry>): string {
  switch (entry.at) {
    case "signIn":
      return `signIn: ${names(entry.issued)}`;
    case "expire":
      return `expire: ${entry.tokens.join(" ")}`;
    case "withdraw":
      return `withdraw: ${entry.families.map((family) => `family ${family}`).join(", ")}`;
  }
}

function subject(entry: RequestEntry): string {
  if (entry.at === "resource") return words(entry.method, entry.path + entry.search, entry.token);
  return words(entry.at, entry.presented);
}

function result(entry: RequestEntry): string {
  if (entry.at === "resource") return "";
  const issued = entry.at === "token" && entry.issued ? `, ${names(entry.issued)}` : "";
  return `: ${entry.outcome}${issued}`;
}

function names(issued: Issued): string {
  return words(issued.access, issued.refresh);
}

function words(...parts: readonly (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(" ");
}
