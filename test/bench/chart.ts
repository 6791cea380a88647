/**
 * `tsx test/bench/chart.ts .bench/FILE.json`: draws the series of the row "growth" as docs/performance.svg. One panel a
 * series, the growing quantity along a logarithmic axis; values from zero, so that a slope is what it looks like.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as z from "zod";

const Point = z.object({ series: z.string(), of: z.string(), x: z.number() });
const Figure = z.object({ value: z.number(), unit: z.string(), point: Point.optional() });
const Results = z.object({
  at: z.string(),
  node: z.string(),
  cpus: z.number(),
  measured: z.array(z.object({ figures: z.array(Figure) })),
});

interface Series {
  title: string;
  of: string;
  unit: string;
  points: { x: number; y: number }[];
}

const panel = { width: 300, height: 190, left: 52, right: 16, top: 44, bottom: 36 };
const columns = 3;
const ink = "#1f2933";
const faint = "#d5dbe1";
const line = "#1769aa";

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("Name the results to draw: tsx test/bench/chart.ts .bench/FILE.json");
const results = Results.parse(JSON.parse(readFileSync(file, "utf8")));
const drawn = chartOf(seriesOf(results), `${results.at.slice(0, 10)}, node ${results.node}, ${results.cpus} cores`);
writeFileSync(fileURLToPath(new URL("../../docs/performance.svg", import.meta.url)), drawn);

function seriesOf({ measured }: z.infer<typeof Results>): Series[] {
  const found = new Map<string, Series>();
  for (const { value, unit, point } of measured.flatMap(({ figures }) => figures)) {
    if (!point) continue;
    const series = found.get(point.series) ?? { title: point.series, of: point.of, unit, points: [] };
    series.points.push({ x: point.x, y: value });
    found.set(point.series, series);
  }
  if (found.size === 0) throw new Error("These results hold no series: run the bench with the row growth");
  return [...found.values()];
}

function chartOf(all: readonly Series[], caption: string): string {
  const width = columns * panel.width;
  const height = Math.ceil(all.length / columns) * panel.height + 24;
  const panels = all.map((series, i) => {
    const at = `translate(${(i % columns) * panel.width} ${Math.floor(i / columns) * panel.height})`;
    return `<g transform="${at}">${panelOf(series)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="11" fill="${ink}">`,
    "<title>How cost grows with sessions, clients, events and the size of the log</title>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...panels,
    text(panel.left, height - 8, caption, 'fill="#66727f"'),
    "</svg>\n",
  ].join("\n");
}

function panelOf({ title, of, unit, points }: Series): string {
  const xs = points.map(({ x }) => Math.log10(x));
  const [xMin, xMax] = [Math.min(...xs), Math.max(...xs)];
  const yMax = niceMax(Math.max(...points.map(({ y }) => y)));
  const right = panel.width - panel.right;
  const bottom = panel.height - panel.bottom;
  const px = (x: number) => panel.left + ((Math.log10(x) - xMin) / (xMax - xMin || 1)) * (right - panel.left);
  const py = (y: number) => bottom - (y / yMax) * (bottom - panel.top);
  const grid = [0, yMax / 2, yMax].map(
    (y) =>
      `<line x1="${panel.left}" x2="${right}" y1="${py(y)}" y2="${py(y)}" stroke="${faint}"/>${text(panel.left - 6, py(y) + 4, short(y), 'text-anchor="end"')}`,
  );
  const path = points.map(({ x, y }) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ");
  const marks = points.map(
    ({ x, y }) =>
      `<circle cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="3" fill="${line}"/>${text(px(x), py(y) - 7, short(y), 'text-anchor="middle" font-size="10"')}${text(px(x), bottom + 14, short(x), 'text-anchor="middle"')}`,
  );
  return [
    text(10, 16, title, 'font-weight="600"'),
    text(10, 30, unit, 'fill="#66727f"'),
    ...grid,
    `<polyline points="${path}" fill="none" stroke="${line}" stroke-width="1.5"/>`,
    ...marks,
    text((panel.left + right) / 2, bottom + 28, of, 'text-anchor="middle" fill="#66727f"'),
  ].join("");
}

/** A round number with room above the highest point for its label. */
function niceMax(value: number): number {
  const step = 10 ** Math.floor(Math.log10(value || 1));
  return Math.ceil((value * 1.15) / (step / 2)) * (step / 2);
}

function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (value >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

function text(x: number, y: number, words: string, attributes = ""): string {
  const safe = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${safe}</text>`;
}
