/** A run of the torture in words. */
import type { TortureReport } from "./torture.ts";

export function printReport(report: TortureReport): string {
  const { total, faults } = report;
  const rows = Object.entries(faults)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `  ${String(count).padStart(5)}  ${what}`);
  const outcomes = Object.entries(total.outcomes).map(([status, count]) => `${count} ${status}`);
  return [
    `faults injected (seed ${report.seed}):`,
    ...rows,
    `daemon starts ${report.daemonStarts}, sessions ${report.sessions}, clients connected again ${report.reconnects}`,
    `events checked ${total.events}, the agents' own numbers ${total.numbers}`,
    `lost ${total.lost}, doubled ${total.doubled}, tail not taken in by killed sidecars ${total.tail}`,
    `prompts and steers accepted ${total.prompts}, answers accepted ${total.answers}, turns ended: ${outcomes.join(", ")}`,
    ...(report.problems.length === 0 ? ["nothing found"] : [`FOUND ${report.problems.length}:`]),
    ...report.problems.map((problem) => `  - ${problem}`),
    ...(report.keptAt === undefined ? [] : [`its folders are kept in ${report.keptAt}`]),
  ].join("\n");
}
