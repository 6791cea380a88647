/**
 * A checkout that the session does not trust: what known programs must be told so that its settings, hooks, plugins and
 * tool servers do not count. The protocol has no word for it, so of other programs nothing can be said.
 */
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";
import type { AgentConfig, Bootstrap } from "../../src/protocol/bootstrap.ts";
import { findInstructions } from "../claude/instructions.ts";
import { instructionFiles } from "../opencode/instruction-files.ts";

const JsonObject = z.record(z.string(), z.unknown());

type KnownProgram = "opencode" | "claude-agent-acp" | "qwen";

const marks: readonly [KnownProgram, RegExp][] = [
  ["opencode", /(^|\/)opencode$/],
  ["claude-agent-acp", /(^|\/)claude-agent-acp(\/|$)/],
  ["qwen", /(^|\/)(qwen|qwen-code\/cli\.js)$/],
];

/** By what it is started with: how it calls itself is known only after it has started, and so has read its settings. */
export function knownProgram(command: readonly string[]): KnownProgram | undefined {
  return marks.find(([, mark]) => command.some((word) => mark.test(word)))?.[0];
}

/** Environment variables for it; writes the files that these name into the run folder, which goes with the session. */
export function distrustEnv(bootstrap: Bootstrap): Record<string, string> {
  const { agent, config, work_dir } = bootstrap;
  if (config.trust_workspace) return {};
  const program = knownProgram(agent.command);
  if (program === "opencode") return { OPENCODE_DISABLE_PROJECT_CONFIG: "1" };
  if (program === "qwen" && isQwenKeptOut(config)) return qwenEnv(bootstrap, realpathSync(work_dir));
  return {};
}

/** Qwen Code (0.15.10) starts no tool server at all in a folder that it does not trust, those of the session included. */
function isQwenKeptOut({ mcp_servers = [] }: AgentConfig): boolean {
  return mcp_servers.length === 0;
}

/** Its system settings are the only ones that say whether there is trust at all; the operator's own stay in force. */
function qwenEnv({ socket_path, session_dir, agent }: Bootstrap, workDir: string): Record<string, string> {
  const folder = socket_path === "" ? session_dir : dirname(socket_path);
  const write = (name: string, content: object) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
    return path;
  };
  const operators = systemSettings(agent.env["QWEN_CODE_SYSTEM_SETTINGS_PATH"] ?? "/etc/qwen-code/settings.json");
  const security = JsonObject.safeParse(operators["security"]).data ?? {};
  const settings = { ...operators, security: { ...security, folderTrust: { enabled: true } } };
  return {
    QWEN_CODE_SYSTEM_SETTINGS_PATH: write("qwen-settings.json", settings),
    QWEN_CODE_TRUSTED_FOLDERS_PATH: write("qwen-folders.json", { [workDir]: "DO_NOT_TRUST" }),
  };
}

function systemSettings(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return {};
  }
  try {
    return JsonObject.parse(JSON.parse(text));
  } catch {
    throw new Error(
      `the settings of Qwen Code in ${path} are not a JSON object (comments cannot be read here); mend them, or set trust_workspace`,
    );
  }
}

/** For `_meta` of the request that opens a session; agents leave out what they do not know. */
export function distrustMeta({ agent, config }: Bootstrap): object | undefined {
  if (config.trust_workspace || knownProgram(agent.command) !== "claude-agent-acp") return undefined;
  return { claudeCode: { options: { settingSources: ["user"], strictMcpConfig: true } } };
}

/** The checkout's own instructions, for programs that then no longer read them by themselves: text only. */
export function checkoutInstructions({ agent, config, work_dir: workDir }: Bootstrap): string | undefined {
  const program = knownProgram(agent.command);
  if (program === "claude-agent-acp") {
    const { instructions: _, ...others } = config;
    return findInstructions(others, { workDir, home: agent.env["HOME"] }).appendSystemPrompt;
  }
  if (program !== "opencode" && !(program === "qwen" && isQwenKeptOut(config))) return undefined;
  const read = (path: string) => `Instructions from ${path}:\n\n${readFileSync(path, "utf8")}`;
  const texts = instructionFiles(config, workDir, program === "qwen" ? ["QWEN.md", "AGENTS.md"] : undefined).map(read);
  // The nearest last.
  return texts.length === 0 ? undefined : texts.toReversed().join("\n\n");
}
