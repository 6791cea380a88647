/** How Claude Code is started: arguments and environment from the bootstrap. Pure. */
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import type { PrivateFiles } from "./private-files.ts";
import { type AgentDefinition, cliMode } from "./stdin-lines.ts";

export interface ClaudeCommand {
  command: string[];
  env: Record<string, string>;
}

export interface ClaudeStart {
  bootstrap: Bootstrap;
  files: PrivateFiles;
  /** Definitions from an untrusted checkout: the CLI knows no other way to find the one to begin with. */
  agents: Readonly<Record<string, AgentDefinition>>;
  /** A UUID for a fresh conversation; unused when one is resumed. */
  freshId: string;
  isRoot: boolean;
}

const streaming = [
  "-p",
  "--input-format=stream-json",
  "--output-format=stream-json",
  "--verbose",
  "--include-partial-messages",
  "--replay-user-messages",
  // Whatever the mode, questions would come to us: the mode can be changed while it runs.
  "--permission-prompt-tool=stdio",
];

/** Throws an Error with a sentence for people when a setting could be taken for a flag. */
export function claudeCommand({ bootstrap, files, agents, freshId, isRoot }: ClaudeStart): ClaudeCommand {
  const { agent, config } = bootstrap;
  const args = [...streaming, ...modeFlags(config.permission_mode ?? "autonomous")];
  // Every value is glued to its flag: as a word of its own it could be a flag itself, or swallow the next one.
  const add = (flag: string, value: string | number | undefined) => {
    if (value !== undefined) args.push(`${flag}=${plain(flag, String(value))}`);
  };
  if (config.resume_session === undefined || config.fork_session) add("--session-id", freshId);
  add("--resume", config.resume_session);
  if (config.fork_session) args.push("--fork-session");
  add("--model", config.model);
  add("--max-turns", config.max_turns);
  for (const tool of config.allowed_tools ?? []) add("--allowedTools", tool);
  add("--effort", config.effort);
  add("--max-budget-usd", config.max_budget_usd);
  add("--mcp-config", files.mcpConfig);
  add("--settings", files.settings);
  if (config.output_schema) add("--json-schema", JSON.stringify(config.output_schema));
  if (config.agent_name !== undefined) {
    add("--agent", config.agent_name);
    if (Object.hasOwn(agents, config.agent_name))
      add("--agents", JSON.stringify({ [config.agent_name]: agents[config.agent_name] }));
  }
  if (config.bare) args.push("--bare");
  // The checkout's settings, hooks and servers act only when it is trusted; what it says is read by instructions.ts.
  if (!config.trust_workspace) args.push("--setting-sources=user", "--strict-mcp-config");
  return { command: [...agent.command, ...args], env: environment(bootstrap, isRoot) };
}

/** Where nobody is asked, the tool for asking is not offered either. */
function modeFlags(mode: PermissionMode): string[] {
  switch (mode) {
    case "autonomous":
      return ["--dangerously-skip-permissions", "--disallowedTools=AskUserQuestion"];
    case "interactive":
      return ["--allow-dangerously-skip-permissions", `--permission-mode=${cliMode.interactive}`];
    default:
      return mode satisfies never;
  }
}

function plain(flag: string, value: string): string {
  if (value === "" || value.startsWith("-") || /[\0\r\n]/.test(value)) {
    throw new Error(
      `Cannot start claude with ${flag} ${JSON.stringify(value)}: it is empty, begins with "-" or has a line break`,
    );
  }
  return value;
}

function environment({ agent }: Bootstrap, isRoot: boolean): Record<string, string> {
  return {
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    CLAUDE_CODE_MAX_RETRIES: "10",
    // As root it refuses to work without questions unless it is told that it is contained.
    ...(isRoot ? { IS_SANDBOX: "1" } : {}),
    ...agent.env,
    // Our own bookkeeping reads it, so nobody may switch it off.
    CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
  };
}
