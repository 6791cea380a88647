/** What a row of the table is: figures, each with the target it is held against. */

export interface Figure {
  /** Stays the same from run to run: it is the key in the JSON. */
  name: string;
  value: number;
  unit: string;
  /** `atLeast` and `atMost` include the value itself. Without a target a figure only explains another. */
  target?: { atLeast: number } | { atMost: number };
  /** What a reader needs to judge it. */
  note?: string;
  /** Its place in a series, for the chart. */
  point?: { series: string; of: "sessions" | "clients" | "events" | "MiB of log"; x: number };
}

export interface RowOptions {
  /** How often the short measurements are repeated; the median counts. */
  runs: number;
  /** Idle and live sessions of the rows that need many. */
  sessions: number;
}

export type Row = (options: RowOptions) => Promise<Figure[]>;

export function isReached({ value, target }: Figure): boolean | undefined {
  if (!target) return undefined;
  return "atLeast" in target ? value >= target.atLeast : value <= target.atMost;
}

export function tableOf(figures: readonly Figure[]): string {
  const cells = figures.map((figure) => {
    const { target, note = "" } = figure;
    const wanted = target && ("atLeast" in target ? `≥ ${short(target.atLeast)}` : `≤ ${short(target.atMost)}`);
    const reached = isReached(figure);
    const verdict = reached === undefined ? "" : reached ? "reached" : "NOT REACHED";
    return [figure.name, `${short(figure.value)} ${figure.unit}`, wanted ?? "", verdict, note];
  });
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function short(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}
