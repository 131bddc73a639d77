import type { Figures } from "./figures.ts";
import { transports } from "./turns.ts";

interface Column {
  readonly name: string;
  readonly figures: Figures;
}

type Row = readonly [title: string, cell: (figures: Figures) => string];

const rows: readonly Row[] = [
  ["requests", ({ requests }) => String(requests)],
  ["answered", ({ answered }) => String(answered)],
  ...transports.map(
    (transport, index): Row => [`  through ${transport}`, (figures) => share(figures, index)],
  ),
  ["refusals on the wire", ({ refusals }) => String(refusals)],
  ["  of a token that was replaced already", ({ lateRefusals }) => String(lateRefusals)],
  ["replays", ({ replays }) => String(replays)],
  ["refreshes", ({ refreshes }) => String(refreshes)],
  ["  of a token not half through its life", ({ needless }) => String(needless)],
  ["refresh tokens seen twice", ({ reused }) => String(reused)],
  ["rejections left unhandled", ({ unhandled }) => String(unhandled)],
  ["slowest request", ({ slowest }) => `${(slowest / 1000).toFixed(2)} s`],
];

/** Draws what came of the bursts, one column a client. */
export function table(columns: readonly Column[]): string {
  const line = (title: string, cell: (column: Column) => string) =>
    `  ${title.padEnd(38)}${columns.map((column) => cell(column).padStart(width(column))).join("")}`;
  return [
    line("", ({ name }) => name),
    ...rows.map(([title, cell]) => line(title, ({ figures }) => cell(figures))),
  ].join("\n");
}

function width({ name }: Column): number {
  return Math.max(12, name.length + 2);
}

function share({ turns }: Figures, index: number): string {
  const { requests = 0, answered = 0 } = turns[index] ?? {};
  return requests === 0 ? "–" : `${answered} of ${requests}`;
}
