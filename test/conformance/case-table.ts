/** The table agent × case in docs/agents.md: read to compare, and written by the run that is told to. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { eventually } from "../support/eventually.ts";
import { allCases } from "./all-cases.ts";

const page = new URL("../../docs/agents.md", import.meta.url);
const lock = new URL("../../.table-of-cases.lock", import.meta.url);
const begin = "<!-- cases: written by test/conformance, see contributing.md -->";
const end = "<!-- /cases -->";

type Column = ReadonlyMap<string, string>;

/** Case → cell, as the page has it. */
export function columnOf(agent: string): Column {
  const { agents, rows } = read();
  const at = agents.indexOf(agent);
  return new Map(rows.map(([name, cells]) => [name, cells[at] ?? ""]));
}

export function printColumn(agent: string, cells: Column): void {
  console.log([...cells].map(([name, cell]) => `${agent} | ${name} | ${cell}`).join("\n"));
}

/** Agents are tried beside each other, and each has only its own column. */
export async function writeColumn(agent: string, cells: Column): Promise<void> {
  await eventually(() => mkdirSync(lock) === undefined, { what: `the lock ${lock.pathname}` });
  try {
    const { agents, rows, text } = read();
    const known = agents.includes(agent) ? agents : [...agents, agent];
    const old = new Map(rows);
    const written = allCases.map(({ name }) => {
      // A case that was left out this time keeps its cell.
      const row = known.map((other, i) => (other === agent ? cells.get(name) : undefined) ?? old.get(name)?.[i] ?? "");
      return `| ${[name, ...row].join(" | ")} |`;
    });
    const head = [`| Case | ${known.join(" | ")} |`, `|${"---|".repeat(known.length + 1)}`];
    const table = [begin, "", ...head, ...written, "", end].join("\n");
    writeFileSync(page, text.slice(0, text.indexOf(begin)) + table + text.slice(text.indexOf(end) + end.length));
  } finally {
    rmdirSync(lock);
  }
}

function read(): { agents: string[]; rows: [name: string, cells: string[]][]; text: string } {
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`docs/agents.md has no ${begin} … ${end}`);
  const lines = text
    .slice(from, to)
    .split("\n")
    .filter((line) => line.startsWith("|"));
  const [head = [], , ...rows] = lines.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
  return { agents: head.slice(1), rows: rows.map(([name = "", ...cells]) => [name, cells]), text };
}
