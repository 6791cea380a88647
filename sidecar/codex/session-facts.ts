/** What Codex says of the session and of work under way, as `system` and `progress` events. Pure. */
import type { EventOf } from "../../src/protocol/event.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";
import { serverFailed } from "../facts.ts";
import type { Raw } from "./raw.ts";

export interface SessionFacts {
  threadId: string;
  model: string | undefined;
  cwd: string | undefined;
  userAgent: string | undefined;
  permissionMode: PermissionMode;
}

export function initData(facts: SessionFacts): EventOf<"system">["data"] {
  const { threadId, model, cwd, userAgent, permissionMode } = facts;
  // `agentruntime/0.169.0 (Linux …)`
  const [, version] = /^[^/]*\/(\S+)/.exec(userAgent ?? "") ?? [];
  return {
    subtype: "init",
    session_id: threadId,
    ...(model ? { model } : {}),
    ...(cwd ? { cwd } : {}),
    permission_mode: permissionMode,
    ...(version ? { version } : {}),
  };
}

const noticeWords: Readonly<Record<string, string>> = {
  warning: "warning",
  guardianWarning: "warning",
  configWarning: "config_warning",
  deprecationNotice: "deprecation",
};
const textMax = 8 * 1024;

export function notice({ method, line }: Extract<Raw, { kind: "notice" }>): EventOf<"system"> {
  const message = [line.message, line.summary, line.details].filter(Boolean).join("\n").slice(0, textMax);
  return { type: "system", data: { subtype: noticeWords[method] ?? "warning", message } };
}

/** Servers come and go while a thread starts; that one is starting is no news. */
export function serverStatus({ line }: Extract<Raw, { kind: "server_status" }>): EventOf<"system"> | undefined {
  const { name, status, error } = line;
  if (status === "starting") return undefined;
  if (status === "failed") return serverFailed(name, error?.slice(0, textMax) ?? "codex does not say why");
  return {
    type: "system",
    data: { subtype: "mcp_server", name, status, ...(error ? { error: error.slice(0, textMax) } : {}) },
  };
}

const todoWords: Readonly<Record<string, string>> = { inProgress: "in_progress" };

/** Codex's plan in the words of the other agents' to-do lists. */
export function todoItems({ line }: Extract<Raw, { kind: "plan" }>): { content: string; status: string }[] {
  return line.plan.map(({ step, status }) => ({ content: step, status: todoWords[status] ?? status }));
}
