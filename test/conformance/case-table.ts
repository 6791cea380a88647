/**
 * The tables agent × case: read to compare, and written by the run that is told to. docs/agents.md has every case as it
 * is on this machine; docs/docker.md only those cells that are others in a container.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { eventually } from "../support/eventually.ts";
import { allCases } from "./all-cases.ts";
import type { Place } from "./place.ts";

type Runtime = Place["runtime"];

const pages: Readonly<Record<Runtime, URL>> = {
  local: new URL("../../docs/agents.md", import.meta.url),
  docker: new URL("../../docs/docker.md", import.meta.url),
};
const lock = new URL("../../.table-of-cases.lock", import.meta.url);
const begin = "<!-- cases: written by test/conformance, see contributing.md -->";
const end = "<!-- /cases -->";

type Column = ReadonlyMap<string, string>;

/** Case → cell, as the pages have it. */
export function columnOf(agent: string, runtime: Runtime): Column {
  const local = columnIn("local", agent);
  if (runtime === "local") return local;
  return new Map([...local, ...[...columnIn(runtime, agent)].filter(([, cell]) => cell !== "")]);
}

export function printColumn(agent: string, cells: Column): void {
  console.log([...cells].map(([name, cell]) => `${agent} | ${name} | ${cell}`).join("\n"));
}

/** Agents are tried beside each other, and each has only its own column. */
export async function writeColumn(agent: string, runtime: Runtime, cells: Column): Promise<void> {
  await eventually(() => mkdirSync(lock) === undefined, { what: `the lock ${lock.pathname}` });
  try {
    const { agents, rows, text } = read(runtime);
    const known = agents.includes(agent) ? agents : [...agents, agent];
    const old = new Map(rows);
    const own = runtime === "local" ? cells : othersThan(columnIn("local", agent), cells);
    const written = allCases.flatMap(({ name }) => {
      // A case that was left out this time keeps its cell.
      const row = known.map((other, i) => (other === agent ? own.get(name) : undefined) ?? old.get(name)?.[i] ?? "");
      return row.every((cell) => cell === "") ? [] : [`| ${[name, ...row].join(" | ")} |`];
    });
    const head = [`| Case | ${known.join(" | ")} |`, `|${"---|".repeat(known.length + 1)}`];
    const table = [begin, "", ...head, ...written, "", end].join("\n");
    writeFileSync(
      pages[runtime],
      text.slice(0, text.indexOf(begin)) + table + text.slice(text.indexOf(end) + end.length),
    );
  } finally {
    rmdirSync(lock);
  }
}

/** Empty where it is the same. */
function othersThan(local: Column, cells: Column): Column {
  return new Map([...cells].map(([name, cell]) => [name, cell === local.get(name) ? "" : cell]));
}

function columnIn(runtime: Runtime, agent: string): Column {
  const { agents, rows } = read(runtime);
  const at = agents.indexOf(agent);
  return new Map(rows.map(([name, cells]) => [name, cells[at] ?? ""]));
}

function read(runtime: Runtime): { agents: string[]; rows: [name: string, cells: string[]][]; text: string } {
  const page = pages[runtime];
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${page.pathname} has no ${begin} … ${end}`);
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
