/** A session: what was asked for (spec), and what is shown of it (view). */
import * as z from "zod";
import { ContainerSpec } from "./container.ts";
import { EgressPolicy } from "./egress.ts";
import { Usage } from "./event.ts";
import { ResourceLimits } from "./resources.ts";

/** The five public words of the wire. */
export const SessionStatus = z.enum(["pending", "running", "completed", "failed", "orphaned"]);
export type SessionStatus = z.infer<typeof SessionStatus>;

export const SessionActivity = z.enum(["idle", "busy", "awaiting_input", "retrying", "paused"]);
export type SessionActivity = z.infer<typeof SessionActivity>;

/** Why a session ended. */
export const EndReason = z.enum([
  "finished",
  "stopped",
  "deleted",
  "timeout",
  "stall",
  "agent_failed",
  "agent_killed",
  "launch_failed",
  "sidecar_lost",
  "log_write_failed",
  "shutdown",
]);
export type EndReason = z.infer<typeof EndReason>;

export const AgentHome = z.enum(["private", "user"]);
export type AgentHome = z.infer<typeof AgentHome>;

/** Who decides on tools: nobody is asked, or a person is. */
export const PermissionMode = z.enum(["autonomous", "interactive"]);
export type PermissionMode = z.infer<typeof PermissionMode>;

/**
 * What the caller asked for, checked and with its defaults filled in. Immutable, on disk before the sidecar
 * starts. The request's `env`, tool servers and settings in
 * the agent's own form are not part of it: they may hold secrets and are only handed to the agent.
 */
export const SessionSpec = z.object({
  session_id: z.string(),
  task_id: z.string().optional(),
  name: z.string().optional(),
  tags: z.record(z.string(), z.string()),
  agent: z.string(),
  runtime: z.string(),
  interactive: z.boolean(),
  work_dir: z.string(),
  /** The folder is the session's own and goes with it. */
  work_dir_is_scratch: z.boolean(),
  agent_home: AgentHome,
  /** Session whose private home is used: its own, or that of the one it resumes. */
  home_of: z.string(),
  resume_agent_session: z.string().optional(),
  /** Goes on with a copy of that conversation. */
  is_fork: z.literal(true).optional(),
  model: z.string().optional(),
  effort: z.string().optional(),
  max_turns: z.number().optional(),
  allowed_tools: z.array(z.string()).optional(),
  bare: z.boolean().optional(),
  instructions: z.string().optional(),
  agent_name: z.string().optional(),
  output_schema: z.record(z.string(), z.unknown()).optional(),
  max_budget_usd: z.number().optional(),
  acp_mode: z.string().optional(),
  acp_options: z.record(z.string(), z.string()).optional(),
  /** What the request named to be run in the session, in words for people. */
  executables: z.array(z.string()).optional(),
  permission_mode: PermissionMode.default("autonomous"),
  /** A question that nobody answered by then is denied; without it, it waits. */
  input_timeout_ms: z.number().optional(),
  /** Of a session in a container. */
  container: ContainerSpec.optional(),
  egress: EgressPolicy.optional(),
  trust_workspace: z.boolean(),
  auto_discover: z.union([z.boolean(), z.record(z.string(), z.boolean())]).optional(),
  timeout_ms: z.number().optional(),
  turn_timeout_ms: z.number().optional(),
  keep_raw: z.boolean(),
  /** The trace that its creation was part of (W3C trace context). */
  traceparent: z.string().optional(),
  /** A digest of the Idempotency-Key it was asked for with: another request for the same id is another. */
  request: z.string().optional(),
  /** What it may use of the machine; absent where there is no limit. */
  resources: ResourceLimits.optional(),
  /** Whose token began it, by its name; a session of an older daemon has none. */
  created_by: z.string().optional(),
  created_at: z.number(),
});
export type SessionSpec = z.infer<typeof SessionSpec>;

/** A prompt that waits for its turn. */
export const QueuedPrompt = z.object({ turn_id: z.string(), text: z.string(), position: z.number() });
export type QueuedPrompt = z.infer<typeof QueuedPrompt>;

/** Sums over the session, for lists. */
export const SessionTotals = z.object({
  input_tokens: z.number(),
  output_tokens: z.number(),
  cost_usd: z.number().nullable(),
  tool_call_count: z.number(),
  turn_count: z.number(),
  usage: Usage,
});
export type SessionTotals = z.infer<typeof SessionTotals>;
