/** Sessions as a table that fits: columns that matter least go first where there is no room. Pure. */
import type { SessionView } from "../../src/protocol/http.ts";
import { formatAge, formatCost, formatCount } from "../figures.ts";
import { plainLine } from "../plain-text.ts";
import { cutLine, type Line, lineText, plain, type Span, type Style, textWidth } from "./styled-line.ts";

interface Column {
  head: string;
  /** Which column stays longest. */
  worth: number;
  widthMax: number;
  isRight?: boolean;
  cell(view: SessionView, about: About): string;
}

interface About {
  nowMs: number;
  lastWord: string;
}

const columns: readonly Column[] = [
  { head: "ID", worth: 6, widthMax: 8, cell: (view) => view.session_id.slice(0, 8) },
  { head: "NAME", worth: 11, widthMax: 20, cell: (view) => plainLine(view.name ?? "-", 20).padEnd(8) },
  { head: "AGENT", worth: 5, widthMax: 12, cell: (view) => plainLine(view.agent, 12) },
  { head: "STATE", worth: 10, widthMax: 12, cell: (view) => stateOf(view) },
  { head: "TURN", worth: 3, widthMax: 5, isRight: true, cell: (view) => String(view.turn_count) },
  { head: "TOKENS", worth: 2, widthMax: 7, isRight: true, cell: (view) => formatCount(tokensOf(view)) },
  {
    head: "COST",
    worth: 4,
    widthMax: 8,
    isRight: true,
    cell: (view) => (view.cost_usd === undefined ? "-" : formatCost(view.cost_usd)),
  },
  {
    head: "AGE",
    worth: 7,
    widthMax: 4,
    isRight: true,
    cell: (view, { nowMs }) => formatAge(nowMs - Date.parse(view.created_at)),
  },
  { head: "MODEL", worth: 1, widthMax: 18, cell: (view) => plainLine(view.model ?? "-", 18) },
  { head: "LAST WORD", worth: 9, widthMax: 300, cell: (_view, { lastWord }) => lastWord },
];

/** The last word is of use from here on. */
const lastWordMin = 16;

export interface Row {
  view: SessionView;
  lastWord: string;
  isSelected: boolean;
}

export function tableRows(rows: readonly Row[], { width, nowMs }: { width: number; nowMs: number }): Line[] {
  const cells = rows.map(({ view, lastWord }) => columns.map((column) => column.cell(view, { nowMs, lastWord })));
  const widths = columns.map(({ head, widthMax }, at) =>
    Math.min(widthMax, Math.max(textWidth(head), ...cells.map((row) => textWidth(row[at] ?? "")))),
  );
  const shown = fitting(widths, width);
  // Who has no name is told by its id, where that has no column.
  const named = shown.some((at) => columns[at]?.head === "ID")
    ? cells
    : rows.map(({ view }, row) =>
        columns.map(({ head }, at) =>
          head === "NAME" && view.name === undefined ? view.session_id.slice(0, 8) : (cells[row]?.[at] ?? ""),
        ),
      );
  const lineOf = (texts: readonly string[], style: Style | undefined): Line =>
    shown.flatMap((at, place): Span[] => [
      { text: place === 0 ? "" : "  " },
      {
        // Behind the last column there is nothing to keep apart.
        text:
          place === shown.length - 1
            ? (texts[at] ?? "")
            : padded(texts[at] ?? "", { width: widths[at] ?? 0, isRight: columns[at]?.isRight === true }),
        style: style ?? (columns[at]?.head === "STATE" ? stateStyle(texts[at] ?? "") : undefined),
      },
    ]);
  const head = lineOf(
    columns.map((column) => column.head),
    "dim",
  );
  return [
    cutLine([{ text: "  " }, ...head], width),
    ...rows.map(({ isSelected }, at) =>
      cutLine(
        [
          { text: isSelected ? "❯ " : "  ", style: "cyan" },
          ...lineOf(named[at] ?? [], isSelected ? "bold" : undefined),
        ],
        width,
      ),
    ),
  ];
}

function fitting(widths: readonly number[], width: number): number[] {
  let shown = columns.map((_, at) => at);
  const needed = () =>
    2 + shown.reduce((sum, at) => sum + 2 + (columns[at]?.head === "LAST WORD" ? lastWordMin : (widths[at] ?? 0)), -2);
  while (shown.length > 1 && needed() > width) {
    const least = Math.min(...shown.map((at) => columns[at]?.worth ?? 0));
    shown = shown.filter((at) => columns[at]?.worth !== least);
  }
  return shown;
}

function padded(text: string, { width, isRight }: { width: number; isRight: boolean }): string {
  const cut = lineText(cutLine(plain(text), width));
  const space = " ".repeat(Math.max(0, width - textWidth(cut)));
  return isRight ? space + cut : cut + space;
}

export function stateOf(view: SessionView): string {
  if (view.end_reason !== undefined) return view.end_reason;
  if (view.activity === "awaiting_input") return "asks you";
  if (view.activity === undefined) return view.status === "pending" ? "starting" : view.status;
  return view.activity;
}

function stateStyle(state: string): Style | undefined {
  const word = state.trim();
  if (word === "asks you" || word === "retrying" || word === "paused") return "yellow";
  if (word === "busy" || word === "starting") return "cyan";
  if (word === "idle") return "green";
  return word === "finished" || word === "stopped" || word === "deleted" ? "dim" : "red";
}

export function tokensOf(view: SessionView): number {
  return (view.input_tokens ?? 0) + (view.output_tokens ?? 0);
}
