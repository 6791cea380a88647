/** Which hooks a session's agent gets: those of its own settings, each in place of the one that holds for all. Pure. */
import type { Config } from "../config.ts";
import { defined } from "../protocol/defined.ts";
import type { HookPlan } from "../protocol/hooks.ts";

export function hooksOf(config: Config, agent: string): HookPlan | undefined {
  const commands = defined({ ...config.hooks, ...config.agents[agent]?.hooks });
  if (Object.keys(commands).length === 0) return undefined;
  return { commands, timeoutMs: config.limits.hook_timeout };
}
