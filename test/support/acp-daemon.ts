/** A daemon whose agents are programs that speak ACP, real ones and one that misbehaves, and whose model is the scripted one. */
import { fileURLToPath } from "node:url";
import type { LoggedEvent } from "./client-socket.ts";
import { eventually } from "./eventually.ts";
import { sessionProcesses } from "./processes.ts";
import { readLog } from "./read-log.ts";
import { type ScriptedModel, startScriptedModel } from "./scripted-model.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";

/** A program under test, as an operator would configure it. */
interface Program {
  command: string;
  args: string[];
  env(modelUrl: string): Record<string, string>;
  /** The program's name for its shell tool, and for the one that makes files. */
  shell: string;
  write: (path: string) => string;
}

/** Their start alone takes seconds of a whole core, and tests run beside each other. */
const deadlineMs = 90_000;

const modules = fileURLToPath(new URL("../../node_modules", import.meta.url));
const fakePath = fileURLToPath(new URL("../fixtures/agents/acp-misbehaves.mjs", import.meta.url));

const opencodeFile = `opencode-${process.platform}-${process.arch}/bin/opencode`;
const claudeFile = "@agentclientprotocol/claude-agent-acp/dist/index.js";
const qwenFile = "@qwen-code/qwen-code/cli.js";

export const programs = {
  opencode: {
    command: `${modules}/${opencodeFile}`,
    args: ["acp"],
    env: (url) => ({
      ANTHROPIC_API_KEY: "no-key-needed",
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
      OPENCODE_CONFIG_CONTENT: JSON.stringify({
        autoupdate: false,
        share: "disabled",
        model: "anthropic/claude-sonnet-4-5",
        small_model: "anthropic/claude-sonnet-4-5",
        enabled_providers: ["anthropic"],
        provider: { anthropic: { options: { baseURL: `${url}/v1` } } },
      }),
    }),
    shell: "bash",
    write: (path) => `[[call:write ${JSON.stringify({ filePath: path, content: "made\n" })}]]`,
  },
  "claude-acp": {
    command: process.execPath,
    args: [`${modules}/${claudeFile}`],
    env: (url) => ({
      ANTHROPIC_API_KEY: "no-key-needed",
      ANTHROPIC_BASE_URL: url,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      DISABLE_AUTOUPDATER: "1",
      CLAUDE_CODE_MAX_RETRIES: "2",
    }),
    shell: "Bash",
    write: (path) => `[[call:Write ${JSON.stringify({ file_path: path, content: "made\n" })}]]`,
  },
  qwen: {
    command: process.execPath,
    args: [`${modules}/${qwenFile}`, "--acp", "--auth-type=anthropic"],
    env: (url) => ({
      ANTHROPIC_API_KEY: "no-key-needed",
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_MODEL: "claude-sonnet-4-5",
      QWEN_TELEMETRY_ENABLED: "false",
    }),
    shell: "run_shell_command",
    write: (path) => `[[call:write_file ${JSON.stringify({ file_path: path, content: "made\n" })}]]`,
  },
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof programs;
export const programNames = Object.keys(programs) as ProgramName[];

/** The words that make a program run a command. */
export function runs(name: ProgramName, command: string): string {
  const input = { command, description: "Run a command", ...(name === "qwen" ? { is_background: false } : {}) };
  return `[[call:${programs[name].shell} ${JSON.stringify(input)}]]`;
}

function keyFor(fault: string): Record<string, string> {
  return fault === "key" ? { FAKE_API_KEY: "no-key-needed" } : {};
}

export interface AcpDaemon {
  readonly daemon: Daemon;
  readonly model: ScriptedModel;
  /** Creates a session and returns its id. */
  create(request: Record<string, unknown>): Promise<string>;
  prompt(id: string, text: string): Promise<string>;
  /** The log once `enough` holds for it; by default once the session has ended. */
  log(id: string, enough?: (events: readonly LoggedEvent[]) => boolean): Promise<readonly LoggedEvent[]>;
  /** Resolves when no process of the session is alive. */
  allGone(id: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startAcpDaemon(options: DaemonOptions = {}): Promise<AcpDaemon> {
  const model = await startScriptedModel();
  const real = Object.entries(programs).map(([name, program]) => [
    name,
    { harness: "acp", command: program.command, args: program.args, env: program.env(model.url) },
  ]);
  const fakes = ["", "login", "key", "version", "stays"].map((fault) => [
    fault === "" ? "fake" : `fake-${fault}`,
    { harness: "acp", command: process.execPath, args: [fakePath], env: { FAULT: fault, ...keyFor(fault) } },
  ]);
  const agents = Object.fromEntries([...real, ...fakes]);
  const daemon = await startDaemon({ ...options, config: { ...options.config, agents } });
  return {
    daemon,
    model,
    create: async (request) => {
      const { status, body, text } = await daemon.post("/sessions", request);
      if (status !== 201) throw new Error(`no session: ${status} ${text}`);
      return String(body.session_id);
    },
    prompt: async (id, text) => {
      const answer = await daemon.post(`/sessions/${id}/prompt`, { text });
      if (answer.status !== 202) throw new Error(`the prompt was not accepted: ${answer.status} ${answer.text}`);
      return String(answer.body.turn_id);
    },
    log: (id, enough) => readLog(daemon, id, { deadlineMs, ...(enough ? { enough } : {}) }),
    allGone: async (id) => {
      await eventually(() => sessionProcesses(id).length === 0, { what: `the end of every process of ${id}` });
    },
    stop: async () => {
      await daemon.stop();
      await model.close();
    },
  };
}
