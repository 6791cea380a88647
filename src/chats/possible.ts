/** Whether a chat of that configuration could ever have a session: asked before it is accepted, not when one is begun. */
import { capabilities } from "../protocol/capabilities.ts";
import { ChatConfig } from "../protocol/chat.ts";
import { AgentdError } from "../protocol/error.ts";
import { requestOf, type StoredConfig } from "./config.ts";
import type { ChatsOptions } from "./options.ts";

/** Rejects as the creation of such a session would. */
export async function checkConfig(
  { supervisor, config: settings }: Pick<ChatsOptions, "supervisor" | "config">,
  config: StoredConfig,
): Promise<void> {
  const { agent } = ChatConfig.parse(config);
  await supervisor.check(requestOf(config, { interactive: true }));
  const harness = settings.agents[agent]?.harness ?? "generic";
  if (capabilities[harness].resume === "none")
    throw new AgentdError(
      "unsupported_by_agent",
      `Cannot chat with the agent "${agent}": it cannot go on with an earlier conversation, and would know nothing of the messages before. Start sessions instead`,
    );
}
