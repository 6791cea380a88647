/** `agentd doctor`: what is right and wrong with this machine and its agents, and what to do. */
import * as z from "zod";
import { type Config, dataDirOf, loadConfig } from "../src/config.ts";
import { examine } from "../src/doctor/checks.ts";
import { probeContainers } from "../src/doctor/docker.ts";
import type { Finding, FindingStatus } from "../src/doctor/finding.ts";
import { messageOf } from "../src/protocol/error.ts";
import { version } from "../src/version.ts";
import type { CommandContext } from "./client-options.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

export const DoctorOptions = z.object({
  dataDir: z.string().optional(),
  config: z.string().optional(),
  port: z.number().optional(),
  probe: z.boolean().default(false),
  json: z.boolean().default(false),
});

/** With names, of the agents only these are looked at. */
export async function doctor(
  names: readonly string[],
  options: z.infer<typeof DoctorOptions>,
  context: CommandContext,
): Promise<number> {
  const { terminal, env } = context;
  const read = narrowed(readConfig(options, context), names);
  const dataDir = read.config?.dataDir ?? dataDirOf(options.dataDir, env);
  const findings = await examine({ ...read, dataDir, environment: env, version });
  if (options.probe && read.config) {
    // Loaded only here: it brings the daemon along.
    const { probeAgents } = await import("./probe.ts");
    findings.push(...(await probeContainers(read.config)), ...(await probeAgents(read.config, terminal.note)));
  }
  const isWell = findings.every(({ status }) => status !== "wrong");
  if (options.json) terminal.out(`${JSON.stringify({ version, is_well: isWell, findings }, undefined, 2)}\n`);
  else terminal.out(formatFindings(findings, terminal.colour));
  return isWell ? exitCode.ok : exitCode.failure;
}

interface ReadConfig {
  config: Config | undefined;
  configFault: string | undefined;
}

function narrowed({ config, configFault }: ReadConfig, names: readonly string[]): ReadConfig {
  if (config === undefined || names.length === 0) return { config, configFault };
  const unknown = names.find((name) => !Object.hasOwn(config.agents, name));
  if (unknown !== undefined)
    throw new UsageError(`Unknown agent "${unknown}": the configuration has ${Object.keys(config.agents).join(", ")}`);
  const agents = Object.fromEntries(Object.entries(config.agents).filter(([name]) => names.includes(name)));
  return { config: { ...config, agents }, configFault };
}

function readConfig({ dataDir, config, port }: z.infer<typeof DoctorOptions>, { env }: CommandContext): ReadConfig {
  try {
    return { config: loadConfig({ flags: { dataDir, config, port }, environment: env }), configFault: undefined };
  } catch (error) {
    return { config: undefined, configFault: messageOf(error) };
  }
}

const marks: Readonly<Record<FindingStatus, { word: string; colour: number }>> = {
  ok: { word: "ok", colour: 32 },
  note: { word: "-", colour: 2 },
  warning: { word: "warning", colour: 33 },
  wrong: { word: "WRONG", colour: 31 },
};

/** A paragraph for the machine and for each agent, then a line that counts. Pure. */
export function formatFindings(findings: readonly Finding[], colour: boolean): string {
  const checkWidth = Math.max(...findings.map(({ check }) => check.length));
  const paragraphs = [...new Set(findings.map(({ about }) => about))].map((about) => {
    const rows = findings.filter((each) => each.about === about);
    return [about, ...rows.flatMap((each) => formatFinding(each, { checkWidth, colour }))].join("\n");
  });
  return `agentd ${version} on ${process.platform} ${process.arch}\n\n${paragraphs.join("\n\n")}\n\n${summary(findings)}\n`;
}

function formatFinding(
  { check, status, found, advice }: Finding,
  at: { checkWidth: number; colour: boolean },
): string[] {
  const { word, colour } = marks[status];
  const mark = word.padEnd(7);
  const shown = at.colour ? `\x1b[${colour}m${mark}\x1b[0m` : mark;
  const row = `  ${shown}  ${check.padEnd(at.checkWidth)}  ${plainLine(found, 1000)}`;
  const margin = " ".repeat(2 + 7 + 2 + at.checkWidth + 2);
  return advice === undefined ? [row] : [row, `${margin}→ ${plainLine(advice, 1000)}`];
}

function summary(findings: readonly Finding[]): string {
  const count = (status: FindingStatus) => findings.filter((each) => each.status === status).length;
  const [wrong, warnings] = [count("wrong"), count("warning")];
  if (wrong + warnings === 0) return "All is well.";
  const parts = [
    ...(wrong > 0 ? [`${wrong} wrong`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? "warning" : "warnings"}`] : []),
  ];
  return `${parts.join(", ")}.`;
}
