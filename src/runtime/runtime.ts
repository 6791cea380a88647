/** The contract of a runtime: where sidecars run. Types only; a runtime never looks inside an event. */

import * as z from "zod";
import type { Bootstrap } from "../protocol/bootstrap.ts";

/** What finds a sidecar again. Known, and on disk, before the sidecar starts. */
export const SidecarAddress = z.object({
  runtime: z.literal("local"),
  session_id: z.string(),
  session_dir: z.string(),
  socket_path: z.string(),
  token: z.string(),
});
export type SidecarAddress = z.infer<typeof SidecarAddress>;

/** A sidecar that has been bound to a session. */
export interface SidecarHandle {
  readonly address: SidecarAddress;
  /** Resolves when the sidecar process is gone. Never rejects. */
  readonly gone: Promise<{ code: number | null; signal: string | null }>;
  /** Ends the sidecar, its agent and all they started, by force; resolves when none is left. */
  destroy(): Promise<void>;
}

export interface Runtime {
  readonly name: string;
  /** Where the sidecar of this bootstrap will be found. */
  addressOf(bootstrap: Bootstrap): SidecarAddress;
  /** Starts a sidecar and binds it. Rejects with an AgentdError `launch_failed` that carries the tail of its stderr. */
  launch(bootstrap: Bootstrap): Promise<SidecarHandle>;
  /** Finds a sidecar that an earlier daemon launched; undefined when it is gone. */
  recover(address: SidecarAddress): Promise<SidecarHandle | undefined>;
  /** Ends what a dead sidecar left behind: the agent and everything it started. */
  sweep(sessionId: string): Promise<void>;
}
