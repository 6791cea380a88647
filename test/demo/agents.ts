/** The agents of the demo: how each is configured, and which scripted model answers it. */
import { programs } from "../support/acp-daemon.ts";
import { claudeBinary } from "../support/claude-binary.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { startScriptedModel } from "../support/scripted-model.ts";
import { startScriptedResponses } from "../support/scripted-responses.ts";

interface ModelService {
  url: string;
  close(): Promise<void>;
}

export interface DemoAgent {
  /** For people. */
  title: string;
  /** Where the key for the real service is; undefined where the demo does not know how to ask one. */
  keyEnv: string | undefined;
  startModel(): Promise<ModelService>;
  /** The agent's settings; without a URL the real service is asked. */
  settings(modelUrl: string | undefined): Record<string, unknown>;
  /** Added to the request for a session. */
  request: Record<string, unknown>;
  /** The words that make the scripted model call the shell. */
  shell(command: string): string;
}

const bash = (command: string) => `[[bash:${command}]]`;

export const demoAgents = {
  claude: {
    title: "Claude Code",
    keyEnv: "ANTHROPIC_API_KEY",
    startModel: startScriptedModel,
    settings: (url) => ({ command: claudeBinary(), key_env: "ANTHROPIC_API_KEY", ...baseUrl(url) }),
    request: {},
    shell: bash,
  },
  codex: {
    title: "Codex",
    keyEnv: "OPENAI_API_KEY",
    startModel: startScriptedResponses,
    settings: (url) => ({ command: codexBinary(), key_env: "OPENAI_API_KEY", ...baseUrl(url) }),
    request: { model: codexModel },
    shell: bash,
  },
  opencode: {
    title: "OpenCode",
    keyEnv: "ANTHROPIC_API_KEY",
    startModel: startScriptedModel,
    settings: (url) => ({ command: opencodeBinary(), key_env: "ANTHROPIC_API_KEY", ...baseUrl(url) }),
    request: {},
    shell: bash,
  },
  acp: {
    title: "OpenCode over the Agent Client Protocol",
    keyEnv: undefined,
    startModel: startScriptedModel,
    settings: (url) => {
      const { command, args, env } = programs.opencode;
      return { harness: "acp", command, args, env: env(url ?? "") };
    },
    request: { agent_home: "private" },
    shell: (command) => `[[call:bash ${JSON.stringify({ command, description: "Run a command" })}]]`,
  },
} as const satisfies Record<string, DemoAgent>;

export type DemoAgentName = keyof typeof demoAgents;

function baseUrl(url: string | undefined): { base_url?: string } {
  return url === undefined ? {} : { base_url: url };
}
