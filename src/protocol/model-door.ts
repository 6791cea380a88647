/** How an agent reaches its model when a key keeper holds the key. */
import * as z from "zod";

export const ModelDoor = z.object({
  /** Unix socket of the session's key keeper. */
  socket_path: z.string(),
  /** What the sidecar shows to keep the keeper alive. */
  lease: z.string(),
  /** The variable by which the agent is told where its model is. */
  url_variable: z.string(),
  /** Path of the model service; empty for none. */
  path: z.string(),
});
export type ModelDoor = z.infer<typeof ModelDoor>;

/** Requests at this path are for the keeper itself; a connection that waits there is a lease. */
export const leasePath = "/.agentruntime/lease";
