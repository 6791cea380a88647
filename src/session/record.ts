/** What the daemon keeps of a session besides its log, in `session.json`: enough to find it again. */
import { open, readFile, rename, rm } from "node:fs/promises";
import * as z from "zod";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { firstIssue } from "../protocol/first-issue.ts";
import { EndReason, PermissionMode, SessionSpec } from "../protocol/session.ts";
import { Checkpoint } from "./checkpoint.ts";
import { StoredTotals } from "./totals.ts";

export const SessionRecord = z.object({
  version: z.literal(1),
  spec: SessionSpec,
  /** The runtime's own words for finding the sidecar; absent until it was launched. */
  sidecar: z.unknown().optional(),
  agent_session_id: z.string().optional(),
  model: z.string().optional(),
  /** As it was changed while the session ran. */
  permission_mode: PermissionMode.optional(),
  /** Its sidecar has answered a daemon: from then on its agent may have been given a prompt. */
  was_met: z.boolean().optional(),
  /** It was asked to end when its turns have. */
  is_closing: z.boolean().optional(),
  /** It was asked to end at once, for this reason. */
  stop_reason: EndReason.optional(),
  ended: z
    .object({
      status: z.enum(["completed", "failed"]),
      reason: EndReason,
      exit_code: z.number(),
      at: z.number(),
    })
    .optional(),
  totals: StoredTotals.optional(),
  /** Of a live one; one that is not understood is as good as none. */
  checkpoint: Checkpoint.optional().catch(undefined),
});
export type SessionRecord = z.infer<typeof SessionRecord>;

/** Replaces the record as a whole, so that a crash leaves either the old or the new one. */
export async function writeRecord(path: string, record: SessionRecord): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    const file = await open(temporary, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(record, null, 2)}\n`);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Rejects with the system's error when it cannot be read, and with `store_failed` when it holds something else. */
export async function readRecord(path: string): Promise<SessionRecord> {
  const text = await readFile(path, "utf8");
  try {
    return SessionRecord.parse(JSON.parse(text));
  } catch (error) {
    const found = error instanceof z.ZodError ? firstIssue(error) : messageOf(error);
    throw new AgentdError("store_failed", `Cannot read the session's record "${path}": ${found}`, { cause: error });
  }
}
