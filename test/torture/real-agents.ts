/** The real Claude Code and Codex against scripted models, as actors of the torture besides the one that counts. */
import { claudeBinary } from "../support/claude-binary.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { startScriptedModel } from "../support/scripted-model.ts";
import { startScriptedResponses } from "../support/scripted-responses.ts";
import type { Cast } from "./actor.ts";
import { ModelDiary } from "./model-diary.ts";
import type { Random } from "./random.ts";

export interface RealAgents {
  casts: readonly Cast[];
  /** For the daemon's configuration and environment. */
  agents: Record<string, unknown>;
  env: Record<string, string>;
  stop(): Promise<void>;
}

export async function startRealAgents(): Promise<RealAgents> {
  const diary = new ModelDiary();
  const onServed = diary.note.bind(diary);
  const heard = diary.heard.bind(diary);
  const claudeModel = await startScriptedModel({ onServed });
  const codexResponses = await startScriptedResponses({ onServed });
  const key_env = "TEST_MODEL_KEY";
  return {
    casts: [
      { agent: "claude", request: { permission_mode: "interactive" }, promptOf, heard },
      { agent: "codex", request: { permission_mode: "interactive", model: codexModel }, promptOf, heard },
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

/** What is said and what is called bears numbers, so that nothing of it can get lost or come twice unseen. */
function promptOf(random: Random): string {
  const file = `made-${random.between(1, 1_000_000_000)}`;
  return random.pick([
    "[[hello]]",
    "[[count:200 0]]",
    "[[count:60 10]]",
    "[[count:20 50]]",
    `[[bash:touch ${file}.txt]]`,
  ]);
}
