/** The real Claude Code and Codex against scripted models, as actors of the torture besides the one that counts. */
import { claudeBinary } from "../support/claude-binary.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { startScriptedModel } from "../support/scripted-model.ts";
import { startScriptedResponses } from "../support/scripted-responses.ts";
import type { Cast } from "./actor.ts";
import type { Random } from "./random.ts";

export interface RealAgents {
  casts: readonly Cast[];
  /** For the daemon's configuration and environment. */
  agents: Record<string, unknown>;
  env: Record<string, string>;
  stop(): Promise<void>;
}

export async function startRealAgents(): Promise<RealAgents> {
  const claudeModel = await startScriptedModel();
  const codexResponses = await startScriptedResponses();
  const key_env = "TEST_MODEL_KEY";
  return {
    casts: [
      { agent: "claude", request: { permission_mode: "interactive" }, promptOf },
      { agent: "codex", request: { permission_mode: "interactive", model: codexModel }, promptOf },
    ],
    agents: {
      claude: { command: claudeBinary(), key_env, base_url: claudeModel.url },
      codex: { harness: "codex", command: codexBinary(), key_env, base_url: codexResponses.url },
    },
    env: { [key_env]: "no-key-needed" },
    stop: async () => {
      await claudeModel.close();
      await codexResponses.close();
    },
  };
}

function promptOf(random: Random): string {
  return random.pick(["[[hello]]", "[[slow:1]]", "[[slow:3]]", "[[bash:touch made.txt && echo made]]"]);
}
