/** What was done, by whom. */
import * as z from "zod";
import { AuditEntry } from "../protocol/access.ts";
import type { DaemonAddress } from "./address.ts";
import { callDaemon } from "./http.ts";

export function readAudit(
  address: DaemonAddress,
  asked: { limit: number } | { after: number; waitSeconds: number },
): Promise<AuditEntry[]> {
  const query =
    "limit" in asked ? { limit: String(asked.limit) } : { after: String(asked.after), wait: String(asked.waitSeconds) };
  return callDaemon(address, { path: `/audit?${new URLSearchParams(query)}` }, z.array(AuditEntry));
}
