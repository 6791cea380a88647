/** Programs of the operator's that run around a session's agent, beside it and with its rights. Types, and what they may take. */
import * as z from "zod";

export const HookName = z.enum(["pre_init", "post_init", "sidecar", "post_run"]);
export type HookName = z.infer<typeof HookName>;

/** Program and arguments; no shell. */
const HookCommand = z.array(z.string()).min(1).max(100);

export const Hooks = z.strictObject({
  /** Before the agent is started; its failure prevents the start. */
  pre_init: HookCommand.optional(),
  /** With the agent started and before it gets its first prompt; its failure ends the session. */
  post_init: HookCommand.optional(),
  /** From then on, beside the agent and until its end. */
  sidecar: HookCommand.optional(),
  /** After the agent's end, however it came. */
  post_run: HookCommand.optional(),
});
export type Hooks = z.infer<typeof Hooks>;

/** What a sidecar is told of them. */
export const HookPlan = z.object({
  commands: Hooks,
  /** For each of those that come to an end by themselves. */
  timeoutMs: z.number().positive(),
});
export type HookPlan = z.infer<typeof HookPlan>;

/** From SIGTERM to SIGKILL for the program beside the agent. */
export const companionGraceMs = 5_000;

/** How much longer a session's start and its end may take for them. */
export function hookAllowance(plan: HookPlan | undefined): { startMs: number; endMs: number } {
  if (!plan) return { startMs: 0, endMs: 0 };
  const { commands, timeoutMs } = plan;
  const of = (name: HookName) => (commands[name] ? timeoutMs : 0);
  return {
    startMs: of("pre_init") + of("post_init"),
    endMs: of("post_run") + (commands.sidecar ? companionGraceMs : 0),
  };
}
