import { styleText } from "node:util";
import type { Entry, Mark, What } from "./journal.ts";

/** Whose bursts these were, and what was seen of them. */
export interface Lane {
  readonly name: string;
  readonly entries: readonly Entry[];
}

const cells = 60;
const margin = 14;
const bars = "▁▂▃▄▅▆▇█";

const rows: readonly (readonly [What, Parameters<typeof styleText>[0]])[] = [
  ["held", "yellow"],
  ["refused", "red"],
  ["refresh", "cyan"],
  ["replayed", "magenta"],
  ["answered", "green"],
  ["lost", "red"],
];

/** Draws every burst: what was held, refused, replayed and answered when, and where the refreshes were. */
export function timeline(lanes: readonly Lane[]): string {
  const marks = lanes.flatMap(({ entries }) => entries.flatMap((entry) => entry.marks));
  const longest = Math.max(...marks.map(({ until }) => until));
  // A whole number of tenths of a second every ten cells.
  const cell = Math.max(10, Math.ceil((longest + 1) / cells / 10) * 10);
  const titles = lanes[0]?.entries.map(({ title }) => title) ?? [];
  const panels = titles.map((title, index) => panel(title, index, lanes, cell));
  return [legend(cell), ...panels].join("\n\n");
}

function legend(cell: number): string {
  return styleText(
    "dim",
    `Each column is ${cell} ms: ▁ is one, █ fifty or more, ◆ refreshing; how often is at the right.`,
  );
}

function panel(title: string, index: number, lanes: readonly Lane[], cell: number): string {
  const lines = lanes.flatMap(({ name, entries }) => [
    `  ${styleText("bold", name)}`,
    ...lane(entries[index]?.marks ?? [], cell),
  ]);
  return [`${styleText("bold", `${index + 1}  ${title}`)}`, axis(cell), ...lines].join("\n");
}

function axis(cell: number): string {
  const labels = Array.from({ length: cells / 10 }, (_, tick) => `${(tick * cell) / 100} s`.padEnd(10));
  return styleText("dim", " ".repeat(margin) + labels.join("").trimEnd());
}

function lane(marks: readonly Mark[], cell: number): string[] {
  return rows.flatMap(([what, colour]) => {
    const seen = marks.filter((mark) => mark.what === what);
    if (seen.length === 0) return [];
    const drawn = what === "refresh" ? diamonds(seen, cell) : graph(seen, what, cell);
    return [`    ${what.padEnd(margin - 4)}${styleText(colour, drawn)}${String(seen.length).padStart(5)}`];
  });
}

function diamonds(marks: readonly Mark[], cell: number): string {
  return perCell(marks, cell)
    .map((number) => (number > 0 ? "◆" : " "))
    .join("");
}

// What lasts is counted in every cell that it touches; answers took their time, but come at one moment.
function graph(marks: readonly Mark[], what: What, cell: number): string {
  const moments = what === "held" ? marks : marks.map(({ until }) => ({ what, at: until, until }));
  return perCell(moments, cell)
    .map((number) => bar(number))
    .join("");
}

function perCell(marks: readonly Mark[], cell: number): number[] {
  return Array.from(
    { length: cells },
    (_, index) =>
      marks.filter(({ at, until }) => Math.floor(at / cell) <= index && index <= Math.floor(until / cell))
        .length,
  );
}

// One is the lowest bar, fifty and more the highest.
function bar(number: number): string {
  return number === 0 ? " " : (bars[Math.min(7, Math.floor((number - 1) / 7))] ?? "");
}
