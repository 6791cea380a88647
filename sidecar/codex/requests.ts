/** What we write to the app-server: JSON-RPC without the `jsonrpc` member, one object a line. Pure. */

import type { Image, McpServerSpec } from "../../src/protocol/agent-options.ts";
import type { AgentConfig } from "../../src/protocol/bootstrap.ts";
import { defined } from "../../src/protocol/defined.ts";
import type { PermissionMode } from "../../src/protocol/session.ts";

export type RpcId = string | number;

export function request(id: RpcId, method: string, params: object): string {
  return JSON.stringify({ method, id, params });
}

export function reply(id: RpcId, result: object): string {
  return JSON.stringify({ id, result });
}

/** Codex takes it as a failed tool and goes on. */
export function refusal(id: RpcId, message: string): string {
  return JSON.stringify({ id, error: { code: -32601, message } });
}

export function initializeLine(id: RpcId): string {
  return request(id, "initialize", {
    clientInfo: { name: "agentruntime", title: "agentruntime", version: "1" },
    capabilities: {
      // For raw items, background terminals and changes to a running turn.
      experimentalApi: true,
      requestAttestation: false,
      optOutNotificationMethods: [
        "account/rateLimits/updated",
        "thread/readState/changed",
        "remoteControl/status/changed",
        "turn/diff/updated",
      ],
    },
  });
}

export const initializedLine = JSON.stringify({ method: "initialized" });

/**
 * Who is asked before a tool acts. Codex's own sandbox is off either way: the session's runtime contains the agent, and
 * under `untrusted` every command that is not a known read is asked for before it runs, and every patch.
 */
export function permissions(mode: PermissionMode | undefined): { approvalPolicy: string; sandbox: string } {
  return { approvalPolicy: mode === "interactive" ? "untrusted" : "never", sandbox: "danger-full-access" };
}

export interface ThreadWish {
  workDir: string;
  config: AgentConfig;
  /** Put before what the model is told of its work. */
  instructions: string | undefined;
}

/** Begins a thread, goes on with one, or goes on with a copy of one. */
export function threadLine(id: RpcId, { workDir, config, instructions }: ThreadWish): string {
  const { resume_session: threadId, fork_session: isFork, model } = config;
  const params = {
    cwd: workDir,
    ...permissions(config.permission_mode),
    ...defined({ model, developerInstructions: instructions }),
    config: threadSettings(config),
  };
  // Only raw items tell of tool calls that leave no item; only a fresh thread can be asked for them (0.169.0).
  if (threadId === undefined) return request(id, "thread/start", { ...params, experimentalRawEvents: true });
  return request(id, isFork ? "thread/fork" : "thread/resume", { ...params, threadId, excludeTurns: true });
}

/**
 * Instructions for a thread that goes on, as the developer's next words: `developerInstructions` of a request to resume or
 * fork do not reach the model (0.169.0). What the thread was told before stays in it.
 */
export function instructionsLine(id: RpcId, threadId: string, instructions: string): string {
  const content = [{ type: "input_text", text: instructions }];
  return request(id, "thread/inject_items", { threadId, items: [{ type: "message", role: "developer", content }] });
}

/** Settings of the request go this way rather than by flags: a command line can be read by every user of the machine. */
function threadSettings({ native_settings, mcp_servers = [] }: AgentConfig): object {
  if (mcp_servers.length === 0) return { ...native_settings };
  const servers = Object.fromEntries(mcp_servers.map((server) => [server.name, serverEntry(server)]));
  const native = native_settings?.["mcp_servers"];
  return { ...native_settings, mcp_servers: { ...(typeof native === "object" ? native : {}), ...servers } };
}

function serverEntry(server: McpServerSpec): object {
  if (server.type === "stdio") {
    const [command, ...args] = server.command;
    return { command, args, env: server.env };
  }
  const headers = server.token === undefined ? {} : { http_headers: { Authorization: `Bearer ${server.token}` } };
  return { url: server.url, ...headers };
}

/** Images and text blocks of their own for context, before what the person typed. */
export function textInput(context: readonly string[], text: string, images: readonly Image[] = []): object[] {
  return [
    ...images.map(({ media_type, data }) => ({ type: "image", url: `data:${media_type};base64,${data}` })),
    ...[...context, text].map((piece) => ({ type: "text", text: piece, text_elements: [] })),
  ];
}

/** A value of another kind of setting, which holds for this turn and the later ones. */
export interface TurnSettings {
  model?: string;
  effort?: string;
  approvalPolicy?: string;
  outputSchema?: object;
}

export function turnLine(
  id: RpcId,
  turn: { threadId: string; messageId: string; input: object[]; settings: TurnSettings },
): string {
  const { threadId, messageId, input, settings } = turn;
  return request(id, "turn/start", { threadId, clientUserMessageId: messageId, input, ...settings });
}

export function steerLine(
  id: RpcId,
  steer: { threadId: string; expectedTurnId: string; messageId: string; input: object[] },
): string {
  const { threadId, expectedTurnId, messageId, input } = steer;
  return request(id, "turn/steer", { threadId, expectedTurnId, clientUserMessageId: messageId, input });
}
