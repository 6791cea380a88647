/**
 * What we write to an ACP agent: one JSON-RPC message a line. The protocol's types are those of the SDK, its connection
 * is not used: that checks and dispatches each message by a promise of its own, where we need all that one read brought
 * as one batch in order, what is unknown kept, and the reading held back by our own log.
 */
import type {
  ContentBlock,
  InitializeRequest,
  McpServer,
  NewSessionRequest,
  PromptRequest,
  RequestPermissionOutcome,
  ResumeSessionRequest,
} from "@agentclientprotocol/sdk";
import type { McpServerSpec } from "../../src/protocol/agent-options.ts";
import type { RequestId } from "./raw.ts";
import type { Said } from "./turns.ts";

export const protocolVersion = 1;

/** Told to the agent as the program that talks to it. */
const clientInfo = { name: "agentruntime", version: "1" };

/** A request of ours, before it has its number. */
export interface Request {
  method: string;
  params: object;
}

export function requestLine(id: number, { method, params }: Request): string {
  return JSON.stringify({ jsonrpc: "2.0", id, method, params });
}

/** Files and terminals stay with the agent, which has tools of its own for them. */
export function initialize(): Request {
  const params: InitializeRequest = {
    protocolVersion,
    clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    clientInfo,
  };
  return { method: "initialize", params };
}

export function authenticate(methodId: string): Request {
  return { method: "authenticate", params: { methodId } };
}

export function newSession(cwd: string, servers: readonly McpServerSpec[]): Request {
  const params: NewSessionRequest = { cwd, mcpServers: servers.map(serverEntry) };
  return { method: "session/new", params };
}

export function oldSession(
  how: "load" | "resume" | "fork",
  session: { sessionId: string; cwd: string },
  servers: readonly McpServerSpec[],
): Request {
  const params: ResumeSessionRequest = { ...session, mcpServers: servers.map(serverEntry) };
  return { method: `session/${how}`, params };
}

function serverEntry(server: McpServerSpec): McpServer {
  if (server.type === "stdio") {
    const [command = "", ...args] = server.command;
    return {
      name: server.name,
      command,
      args,
      env: Object.entries(server.env).map(([name, value]) => ({ name, value })),
    };
  }
  const headers = server.token === undefined ? [] : [{ name: "Authorization", value: `Bearer ${server.token}` }];
  return { type: "http", name: server.name, url: server.url, headers };
}

export function setMode(sessionId: string, modeId: string): Request {
  return { method: "session/set_mode", params: { sessionId, modeId } };
}

export function setOption(sessionId: string, configId: string, value: string): Request {
  return { method: "session/set_config_option", params: { sessionId, configId, value } };
}

/** For agents that offer `models` and no option for them. */
export function setModel(sessionId: string, modelId: string): Request {
  return { method: "session/set_model", params: { sessionId, modelId } };
}

/** Every agent must take text; other kinds of blocks are what it says it can. */
export function prompt(sessionId: string, said: readonly Said[]): Request {
  const blocks: ContentBlock[] = said.map((piece) =>
    typeof piece === "string"
      ? { type: "text", text: piece }
      : { type: "image", mimeType: piece.media_type, data: piece.data },
  );
  const params: PromptRequest = { sessionId, prompt: blocks };
  return { method: "session/prompt", params };
}

export function cancelLine(sessionId: string): string {
  return JSON.stringify({ jsonrpc: "2.0", method: "session/cancel", params: { sessionId } });
}

export function outcomeLine(id: RequestId, outcome: RequestPermissionOutcome): string {
  return JSON.stringify({ jsonrpc: "2.0", id, result: { outcome } });
}

export function refusalLine(id: RequestId, error: { code: number; message: string }): string {
  return JSON.stringify({ jsonrpc: "2.0", id, error });
}

export const methodNotFound = -32601;
export const requestCancelled = -32800;
