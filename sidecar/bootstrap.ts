/** How a sidecar learns what it is for: from the daemon, in one line on stdin, or from a person, in the environment. */
import { randomUUID } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as z from "zod";
import { AgentConfig, Bootstrap, defaultSidecarLimits } from "../src/protocol/bootstrap.ts";
import { longestMs, parseDuration } from "../src/protocol/duration.ts";
import { messageOf } from "../src/protocol/error.ts";
import { type HookPlan, Hooks } from "../src/protocol/hooks.ts";
import { linkProtocol } from "../src/protocol/link-frame.ts";
import { secretValues } from "../src/protocol/secrets.ts";

export type Assignment =
  | { from: "daemon"; bootstrap: Bootstrap; cleanupMs: number }
  | {
      from: "person";
      /** Its `session_dir` is a folder for this run only; nothing of it needs to stay. */
      bootstrap: Bootstrap;
      port: number;
      cleanupMs: number;
      /** Asked of whoever connects; empty when nothing is. */
      token: string;
      onlyPrompt?: string;
    };

type Environment = Readonly<Record<string, string | undefined>>;

const defaultPort = 9090;
const defaultHookTimeoutS = 30;
const defaultCleanupMs = 60_000;
const bootstrapBytesMax = 4 * 1024 * 1024;

/** What an agent started by hand gets of our own environment; the daemon composes the agent's environment itself. */
const agentEnvironment =
  "PATH HOME USER LANG TERM SHELL TMPDIR XDG_CONFIG_HOME XDG_DATA_HOME CLAUDE_CODE_OAUTH_TOKEN OPENAI_API_KEY ANTHROPIC_API_KEY NODE_PATH NODE_OPTIONS NVM_DIR HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy".split(
    " ",
  );

/** A person has no use for an answer on stdout. */
export function isStartedByPerson(): boolean {
  return Boolean(process.env["AGENT_CMD"]);
}

/** Throws an Error with one sentence when there is nothing sensible to do. */
export async function readAssignment(stdin: NodeJS.ReadableStream & { isTTY?: boolean }): Promise<Assignment> {
  const { env } = process;
  if (process.platform === "win32") throw new Error("agentruntime-sidecar does not run on Windows; use WSL");
  if (isStartedByPerson()) return assignmentOfPerson(env);
  if (env["AGENT_BIN"] || env["AGENT_BINARY"] || env["AGENT_COMMAND"]) {
    throw new Error(
      "AGENT_BIN, AGENT_BINARY and AGENT_COMMAND are not supported any more; set AGENT_CMD to a JSON array instead",
    );
  }
  if (stdin.isTTY) throw new Error('AGENT_CMD is required: set it to a JSON array such as ["claude"]');
  return { from: "daemon", bootstrap: parseBootstrap(await firstLine(stdin)), cleanupMs: defaultCleanupMs };
}

export function assignmentOfPerson(env: Environment): Extract<Assignment, { from: "person" }> {
  const command = parseJson("AGENT_CMD", env["AGENT_CMD"] ?? "", Command);
  const config = parseJson("AGENT_CONFIG", env["AGENT_CONFIG"] || "{}", AgentConfig);
  refuseTeam(config);
  const port = parsePort(env["SIDECAR_PORT"]);
  const cleanupMs = parseCleanupTimeout(env["SIDECAR_CLEANUP_TIMEOUT"]);
  const name = basename(command[0] ?? "").toLowerCase();
  const onlyPrompt = env["AGENT_PROMPT"] ? decodePrompt(env["AGENT_PROMPT"]) : undefined;
  const kept = agentEnvironment.flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]] as const]));
  const agentEnv = { ...Object.fromEntries(kept), ...config.env };
  const values = secretValues(agentEnv);
  const bootstrap: Bootstrap = {
    protocol: linkProtocol,
    session_id: env["SESSION_ID"] || randomUUID(),
    ...(env["TASK_ID"] ? { task_id: env["TASK_ID"] } : {}),
    session_dir: mkdtempSync(join(tmpdir(), "agentruntime-sidecar-")),
    socket_path: "",
    token: "",
    agent: {
      name: name.includes("claude") ? "claude" : name,
      harness: name.includes("claude") ? "claude" : "generic",
      command,
      env: agentEnv,
    },
    work_dir: env["WORK_DIR"] || process.cwd(),
    config,
    ...hooksOf(config.lifecycle),
    ...(values.length > 0 ? { redact: { values, patterns: [] } } : {}),
    interactive: onlyPrompt === undefined,
    keep_raw: false,
    limits: defaultSidecarLimits,
  };
  const token = env["SIDECAR_TOKEN"] ?? "";
  return { from: "person", bootstrap, port, cleanupMs, token, ...(onlyPrompt === undefined ? {} : { onlyPrompt }) };
}

/** Who starts a sidecar by hand is its operator. */
/** As the daemon does: nobody could see, stop or approve a team's other members. */
function refuseTeam(config: AgentConfig): void {
  const field = (["team_name", "team_agent_name", "team_agent_id"] as const).find((name) => config[name] !== undefined);
  if (field !== undefined)
    throw new Error(`AGENT_CONFIG has ${field}, and sessions form no teams; leave it out and start an agent for each`);
}

function hooksOf(lifecycle: AgentConfig["lifecycle"]): { hooks?: HookPlan } {
  if (lifecycle === undefined) return {};
  const { hook_timeout, ...paths } = lifecycle;
  const named = Object.entries(paths).filter(([, path]) => path !== undefined && path !== "");
  const commands = Hooks.parse(Object.fromEntries(named.map(([name, path]) => [name, [path]])));
  return { hooks: { commands, timeoutMs: (hook_timeout || defaultHookTimeoutS) * 1000 } };
}

export function parseBootstrap(line: string): Bootstrap {
  const bootstrap = parseJson("the bootstrap message on stdin", line, Bootstrap);
  if (bootstrap.protocol !== linkProtocol) {
    throw new Error(
      `the daemon speaks protocol ${bootstrap.protocol}, this sidecar ${linkProtocol}; install both from the same release`,
    );
  }
  return bootstrap;
}

/** Base64 as the daemon of old sent it; a text that is not base64 is taken as it is. */
export function decodePrompt(text: string): string {
  const compact = text.replace(/[\r\n]/g, "");
  const isBase64 = compact.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(compact);
  return isBase64 ? Buffer.from(compact, "base64").toString("utf8") : text;
}

/** Whole seconds or a duration; 0 ends the sidecar as soon as its agent has. */
export function parseCleanupTimeout(text: string | undefined): number {
  if (!text) return defaultCleanupMs;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (ms === undefined) {
    throw new Error(
      `SIDECAR_CLEANUP_TIMEOUT must be whole seconds or a duration such as "90s", found ${JSON.stringify(text)}`,
    );
  }
  return Math.min(ms, longestMs);
}

const Command = z
  .array(z.string())
  .min(1)
  .refine((command) => command[0] !== "", "the first element must name a program");

function parsePort(text: string | undefined): number {
  if (!text) return defaultPort;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new Error(`SIDECAR_PORT must be a port number, found ${JSON.stringify(text)}`);
}

function parseJson<T>(what: string, text: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${what} is wrong${issue?.path.length ? ` at ${issue.path.join(".")}` : ""}: ${issue?.message}`);
}

async function firstLine(stdin: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const buffer = Buffer.from(chunk);
    chunks.push(buffer);
    bytes += buffer.length;
    if (buffer.includes(0x0a)) break;
    if (bytes > bootstrapBytesMax) throw new Error(`the bootstrap message is longer than ${bootstrapBytesMax} bytes`);
  }
  if (bytes === 0)
    throw new Error("AGENT_CMD is required, or a bootstrap message of the daemon on stdin; found neither");
  return Buffer.concat(chunks).toString("utf8").split("\n", 1)[0] ?? "";
}
