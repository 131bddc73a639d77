import type { Figures } from "./figures.ts";

interface Column {
  readonly name: string;
  readonly figures: Figures;
}

const rows: readonly (readonly [string, (figures: Figures) => string])[] = [
  ["requests", ({ requests }) => String(requests)],
  ["answered", ({ answered }) => String(answered)],
  ["refusals on the wire", ({ refusals }) => String(refusals)],
  ["  of a token that was replaced already", ({ lateRefusals }) => String(lateRefusals)],
  ["replays", ({ replays }) => String(replays)],
  ["refreshes", ({ refreshes }) => String(refreshes)],
  ["  of a token not half through its life", ({ needless }) => String(needless)],
  ["refresh tokens seen twice", ({ reused }) => String(reused)],
  ["slowest request", ({ slowest }) => `${(slowest / 1000).toFixed(2)} s`],
];

/** Draws what came of the bursts, one column a client. */
export function table(columns: readonly Column[]): string {
  const line = (title: string, cells: readonly string[]) =>
    `  ${title.padEnd(40)}${cells.map((cell) => cell.padStart(14)).join("")}`;
  return [
    line(
      "",
      columns.map(({ name }) => name),
    ),
    ...rows.map(([title, cell]) =>
      line(
        title,
        columns.map(({ figures }) => cell(figures)),
      ),
    ),
  ].join("\n");
}
