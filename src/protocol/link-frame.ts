/**
 * Frames between the daemon and a sidecar on `/ws?after=N`.
 * Sidecar → daemon: binary messages are batches of whole lines; text messages are the frames below.
 * Before them come the proofs of link-proof.ts.
 * Daemon → sidecar: commands (see command.ts), each a text message.
 */
import * as z from "zod";

/** The version of this protocol; a sidecar with another one is refused at the hello. */
export const linkProtocol = 2;

/** What the agent is busy with; the daemon sends the next prompt only while it is `idle`. */
export const AgentActivity = z.enum(["starting", "idle", "busy", "retrying", "awaiting_input", "ended"]);
export type AgentActivity = z.infer<typeof AgentActivity>;

export const SidecarStatus = z.object({
  activity: AgentActivity,
  /** The turn that is running, if one is. */
  turn_id: z.string().nullable(),
  /** Work the agent goes on with between turns (subagents in the background); a one-shot session waits for it. */
  background: z.number().int().nonnegative(),
  agent_pid: z.number().int().optional(),
  /** The agent's own id of the conversation, for resuming it. */
  agent_session_id: z.string().optional(),
  model: z.string().optional(),
});
export type SidecarStatus = z.infer<typeof SidecarStatus>;

export const SidecarFrame = z.discriminatedUnion("type", [
  /** First on every link: what the sidecar has. `sidecar_seq` is its newest count. */
  z.object({
    type: z.literal("hello"),
    data: z.object({
      protocol: z.number(),
      session_id: z.string(),
      sidecar_seq: z.number().int(),
      /** The highest number among the turn ids it was given; a steer may have used one that no log holds. */
      last_turn: z.number().int(),
      status: SidecarStatus,
      /** It cannot store more: its disk is full. */
      is_storage_full: z.boolean().optional(),
    }),
  }),
  /** Whenever it changed, in order with the batches. */
  z.object({ type: z.literal("status"), data: SidecarStatus }),
  /** The answer to a command that carried an id; for a prompt or steer with the turn it belongs to. */
  z.object({
    type: z.literal("reply"),
    data: z.object({
      id: z.string(),
      ok: z.boolean(),
      turn_id: z.string().optional(),
      /** Its newest count when the command had been carried out: what came of it at once is among the lines up to there. */
      sidecar_seq: z.number().int().optional(),
      error: z.string().optional(),
      /** When what was asked for is at fault, not the agent. */
      code: z.literal("invalid_request").optional(),
    }),
  }),
  /** Every 10 s; kept off the log. */
  z.object({ type: z.literal("heartbeat"), data: z.object({ uptime_ms: z.number() }) }),
  /** The sidecar's own disk is full, or has room again. */
  z.object({ type: z.literal("storage"), data: z.object({ paused: z.boolean(), message: z.string() }) }),
]);
export type SidecarFrame = z.infer<typeof SidecarFrame>;
