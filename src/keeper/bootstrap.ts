/** The one message a key keeper starts with (a JSON line on stdin), and what follows from a session's token. */
import { createHmac } from "node:crypto";
import * as z from "zod";
import { LoginSource } from "./login.ts";
import { Outwards } from "./outwards.ts";

export const KeeperBootstrap = z.object({
  session_id: z.string(),
  /** Unix socket to listen on. */
  socket_path: z.string(),
  /** Whoever can enter its folder may connect; else its own user alone. */
  is_open: z.boolean().default(false),
  /** What the agent sends in place of the key. */
  stand_in: z.string().min(16),
  /** Whoever holds a connection to `/lease` with it keeps the keeper alive. */
  lease: z.string().min(16),
  /** The key that the service is shown; without it, the token of a login. */
  key: z.string().min(1).optional(),
  login: LoginSource.optional(),
  /** The model service: requests go to its origin, and only below its path. */
  upstream: z.url(),
  /** File that says which requests the session made; without bodies and keys. */
  log_path: z.string(),
  ...Outwards.shape,
});
export type KeeperBootstrap = z.infer<typeof KeeperBootstrap>;

/** Both words of a keeper, from the token of the session's sidecar: a next daemon finds them again. */
export function keeperWords(sidecarToken: string): { standIn: string; lease: string } {
  const word = (use: string) => createHmac("sha256", sidecarToken).update(use).digest("base64url");
  // Some agents look at how a key begins.
  return { standIn: `sk-agentruntime-${word("stand-in")}`, lease: word("lease") };
}
