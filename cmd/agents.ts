/** `agentd agents`: what agents the daemon has, and what a project adds. */
import { resolve } from "node:path";
import * as z from "zod";
import { listAgents } from "../src/client/agents.ts";
import type { AgentView } from "../src/protocol/http.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export const AgentsOptions = DaemonOptions.extend({ json: z.boolean().default(false), workDir: z.string().optional() });

export async function agents(options: z.infer<typeof AgentsOptions>, context: CommandContext): Promise<number> {
  const workDir = options.workDir === undefined ? undefined : resolve(options.workDir);
  const found = await listAgents(await locate(options, context.env), workDir);
  context.terminal.out(options.json ? `${JSON.stringify(found, undefined, 2)}\n` : formatAgents(found));
  return exitCode.ok;
}

export const sourceWords = {
  configuration: "configuration",
  installed: "agentd agents install",
  path: "PATH",
  beside: "beside agentd",
} as const satisfies Record<NonNullable<AgentView["program_source"]>, string>;

/** A row for each agent, and below it those that the project adds to it. Pure. */
export function formatAgents(found: readonly AgentView[]): string {
  const rows = [
    ["AGENT", "HARNESS", "FROM", "PROGRAM"],
    ...found.flatMap(({ name, harness, program, program_source, custom_agents }) => [
      [
        name,
        harness,
        program_source === null ? "-" : sourceWords[program_source],
        program === null ? "not found" : plainLine(program, 4096),
      ],
      ...custom_agents.map((custom) => [
        `  ${plainLine(custom.name, 64)}`,
        "-",
        "project",
        plainLine(`${custom.source}${custom.description ? `: ${custom.description}` : ""}`, 160),
      ]),
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
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
