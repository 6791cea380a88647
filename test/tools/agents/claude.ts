/**
 * Claude Code offers no schema. What can be asked is asked of the real program: it is started with every flag that the
 * harness may put together, and gets each control request, with the scripted model behind it; what it answers is held.
 */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { claudeCommand } from "../../../sidecar/claude/args.ts";
import * as lines from "../../../sidecar/claude/stdin-lines.ts";
import { type AgentConfig, type Bootstrap, defaultSidecarLimits } from "../../../src/protocol/bootstrap.ts";
import { claudeBinary } from "../../support/claude-binary.ts";
import { startScriptedModel } from "../../support/scripted-model.ts";
import type { Facts } from "./compare.ts";

const answerMsMax = 60_000;

export async function claudeFacts(dir: string): Promise<Facts> {
  // Asked when the model is changed.
  const model = await startScriptedModel();
  try {
    const env = {
      HOME: dir,
      CLAUDE_CONFIG_DIR: dir,
      TMPDIR: dir,
      ANTHROPIC_API_KEY: "no-key-needed",
      ANTHROPIC_BASE_URL: model.url,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      DISABLE_AUTOUPDATER: "1",
      IS_SANDBOX: "1",
    };
    const command = commandFor(dir, fresh);
    const { stdout: help } = await execa(claudeBinary(), ["--help"], { env, stdin: "ignore" });
    const flags = [...command, ...commandFor(dir, resumed)].filter((argument) => argument.startsWith("-"));
    const names = [...new Set(flags.map((flag) => flag.split("=")[0] ?? ""))];
    return { ...flagFacts(names, help), ...(await answersOf(command, env, dir)) };
  } finally {
    await model.close();
  }
}

/** In its help, or taken all the same: the program starts with them. */
export function flagFacts(flags: readonly string[], help: string): Facts {
  const isIn = (flag: string) => new RegExp(`(^|[\\s,])${flag}([\\s,=<[]|$)`, "m").test(help);
  return Object.fromEntries(flags.map((flag) => [`flag ${flag}`, isIn(flag) ? "in its help" : "not in its help"]));
}

/** All that may stand together at the start of a conversation: the program starts with these, or it is seen. */
const fresh: AgentConfig = {
  model: "claude-sonnet-4-5",
  effort: "high",
  max_turns: 3,
  max_budget_usd: 1,
  allowed_tools: ["Read"],
  output_schema: { type: "object" },
  agent_name: "checker",
  permission_mode: "interactive",
};
/** … and what else there is, of which only the help is asked. */
const resumed: AgentConfig = {
  resume_session: "s",
  fork_session: true,
  bare: true,
  permission_mode: "autonomous",
};

function commandFor(dir: string, config: AgentConfig): string[] {
  const bootstrap: Bootstrap = {
    protocol: 1,
    session_id: "s",
    session_dir: dir,
    socket_path: join(dir, "s"),
    token: "t",
    agent: { name: "claude", harness: "claude", command: [claudeBinary()], env: {} },
    work_dir: dir,
    interactive: true,
    keep_raw: false,
    limits: defaultSidecarLimits,
    config,
  };
  const files = config === resumed ? { mcpConfig: join(dir, "mcp.json"), settings: join(dir, "settings.json") } : {};
  const agents = { checker: { description: "checks", prompt: "Check" } };
  return claudeCommand({ bootstrap, files, agents, freshId: randomUUID(), isRoot: true }).command;
}

const requests = {
  initialize: lines.initializeLine("initialize", { appendSystemPrompt: "a" }),
  set_model: lines.setModelLine("set_model", "claude-sonnet-4-5"),
  set_permission_mode: lines.setPermissionModeLine("set_permission_mode", "autonomous"),
  interrupt: lines.interruptLine("interrupt"),
};

const Answer = z.object({
  type: z.literal("control_response"),
  response: z.looseObject({
    subtype: z.string(),
    request_id: z.string(),
    error: z.string().optional(),
    response: z.record(z.string(), z.unknown()).optional(),
  }),
});

async function answersOf([program = "", ...args]: string[], env: Record<string, string>, dir: string): Promise<Facts> {
  const child = execa(program, args, {
    env,
    reject: false,
    timeout: answerMsMax,
    buffer: { stdout: false },
    cwd: dir,
  });
  const facts: Record<string, string> = {};
  child.stdin.write(`${Object.values(requests).join("\n")}\n`);
  for await (const line of child) {
    const { data } = Answer.safeParse(parsed(line));
    if (!data) continue;
    const { request_id: name, subtype, error, response } = data.response;
    facts[`control request ${name}`] = error === undefined ? subtype : `${subtype}: ${error}`;
    if (name === "initialize")
      facts["initialize gives .agents"] = response?.["agents"] === undefined ? "absent" : "there";
    if (Object.keys(requests).every((each) => `control request ${each}` in facts)) child.stdin.end();
  }
  const { stderr } = await child;
  for (const name of Object.keys(requests)) facts[`control request ${name}`] ??= `no answer: ${stderr.slice(0, 300)}`;
  return facts;
}

function parsed(line: unknown): unknown {
  try {
    return JSON.parse(String(line));
  } catch {
    // A line for people.
    return undefined;
  }
}
