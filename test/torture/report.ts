/** A run of the torture in words. */
import { moments, steps } from "./caller.ts";
import type { TortureReport } from "./torture.ts";

export function printReport(report: TortureReport): string {
  const { total, faults, keys, steps: hits } = report;
  const missed = Object.keys(hits).filter((name) => hits[name] === 0);
  const rows = Object.entries(faults)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `  ${String(count).padStart(5)}  ${what}`);
  const inWords = (found: Record<string, number>) =>
    Object.entries(found)
      .map(([status, count]) => `${count} ${status}`)
      .join(", ");
  const { chats } = report;
  return [
    `faults injected (seed ${report.seed}):`,
    ...rows,
    ...(report.hasDisk ? [] : ["LEFT OUT: no disk was filled, as none can be mounted here (it needs root on Linux)"]),
    ...struckRows(hits),
    `moments of steps at which somebody was ended: ${Object.keys(hits).length - missed.length} of ${Object.keys(hits).length}${missed.length === 0 ? "" : `; not hit: ${missed.join("; ")}`}`,
    `requests with an Idempotency-Key ${keys.keyed}, sent again until answered ${keys.again}, once more behind an answer ${keys.onceMore}`,
    `daemon starts ${report.daemonStarts}, sessions ${report.sessions}, clients connected again ${report.reconnects}`,
    `events checked ${total.events}, the agents' own numbers ${total.numbers}`,
    ...agentRows(report),
    `lost ${total.lost}, doubled ${total.doubled}, tail not taken in by killed sidecars ${total.tail}`,
    `prompts and steers accepted ${total.prompts}, answers accepted ${total.answers}, turns ended: ${inWords(total.outcomes)}`,
    `messages of chats accepted ${chats.accepted}, lost ${chats.lost}, doubled ${chats.doubled}, gone on into another session ${chats.replaced}, ended: ${inWords(chats.outcomes)}`,
    ...(report.problems.length === 0 ? ["nothing found"] : [`FOUND ${report.problems.length}:`]),
    ...report.problems.map((problem) => `  - ${problem}`),
    ...(report.keptAt === undefined ? [] : [`its folders are kept in ${report.keptAt}`]),
  ].join("\n");
}

/** A line for each step: how often somebody was ended at each of its moments. */
function struckRows(hits: Readonly<Record<string, number>>): string[] {
  return steps.map(
    (step) => `  ${step.padEnd(9)}  ${moments.map((moment) => `${moment} ${hits[`${step}, ${moment}`]}`).join(", ")}`,
  );
}

/** Where there are several: a line for each agent. */
function agentRows({ agents }: TortureReport): string[] {
  const names = Object.keys(agents);
  if (names.length < 2) return [];
  return Object.entries(agents).map(
    ([name, { events, numbers, prompts, outcomes }]) =>
      `  of ${name}: events ${events}, numbers ${numbers}, prompts and steers accepted ${prompts}, turns ended in success ${outcomes["success"] ?? 0}`,
  );
}
