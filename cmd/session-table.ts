/** Sessions as a table for people. Pure. */
import type { SessionView } from "../src/protocol/http.ts";
import { formatAge, formatCost } from "./figures.ts";
import { cutChars, plainLine } from "./plain-text.ts";

const header = ["ID", "NAME", "AGENT", "STATUS", "ACTIVITY", "TURNS", "COST", "AGE", "DIR"];
const idCharsMin = 8;
const nameCharsMax = 24;

export function formatSessions(views: readonly SessionView[], options: { nowMs: number }): string {
  const idChars = uniquePrefixLength(views.map((view) => view.session_id));
  const rows = [header, ...views.map((view) => row(view, { ...options, idChars }))];
  const widths = header.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function row(view: SessionView, options: { nowMs: number; idChars: number }): string[] {
  return [
    view.session_id.slice(0, options.idChars),
    cutChars(plainLine(view.name ?? "-", nameCharsMax), nameCharsMax),
    plainLine(view.agent, nameCharsMax),
    statusWord(view),
    view.activity ?? view.end_reason ?? "-",
    String(view.turn_count),
    view.cost_usd === undefined ? "-" : formatCost(view.cost_usd),
    formatAge(options.nowMs - Date.parse(view.created_at)),
    plainLine(view.work_dir, 4096),
  ];
}

function statusWord({ status, unreadable }: SessionView): string {
  if (unreadable !== undefined) return "unreadable";
  // An earlier daemon began it: that is no concern of who looks at what runs.
  return status === "orphaned" ? "running" : status;
}

/** The shortest length, from eight on, at which no two ids look the same. */
function uniquePrefixLength(ids: readonly string[]): number {
  const longest = Math.max(idCharsMin, ...ids.map((id) => id.length));
  for (let length = idCharsMin; length < longest; length++) {
    if (new Set(ids.map((id) => id.slice(0, length))).size === ids.length) return length;
  }
  return longest;
}
