/** The tables of attacks in docs/security.md: read to compare, and written by the run that is told to. */
import { readFileSync, writeFileSync } from "node:fs";
import type { AttackRows } from "./attacks/attack.ts";

const page = new URL("../../docs/security.md", import.meta.url);
const begin = "<!-- attacks: written by test/security, see contributing.md -->";
const end = "<!-- /attacks -->";

export function tablesOf(groups: readonly AttackRows[]): string {
  const count = groups.reduce((sum, { attacks }) => sum + attacks.length, 0);
  const tables = groups.map(({ title, who, attacks }) =>
    [
      `### ${title}`,
      "",
      `${capital(who)}.`,
      "",
      "| Attack | What comes of it | What would have: the control |",
      "|---|---|---|",
      ...attacks.map(
        ({ name, meets, control }) =>
          `| ${cell(name)} | ${cell(meets)} | ${cell(`${control.name}: ${control.meets}`)} |`,
      ),
    ].join("\n"),
  );
  return [`${count} attacks.`, ...tables].join("\n\n");
}

export function readTables(): string {
  const { text, from, to } = read();
  return text.slice(from, to).trim();
}

export function writeTables(tables: string): void {
  const { text, from, to } = read();
  writeFileSync(page, `${text.slice(0, from)}\n\n${tables}\n\n${text.slice(to)}`);
}

function read(): { text: string; from: number; to: number } {
  const text = readFileSync(page, "utf8");
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${page.pathname} has no ${begin} … ${end}`);
  return { text, from: from + begin.length, to };
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", "\\n");
