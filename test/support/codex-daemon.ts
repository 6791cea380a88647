/** A daemon whose agent is the real Codex and whose model is the scripted one. */
import { findAgent } from "../../src/runtime/find-agent.ts";
import type { LoggedEvent } from "./client-socket.ts";
import { eventually } from "./eventually.ts";
import { sessionProcesses } from "./processes.ts";
import { readLog } from "./read-log.ts";
import { type ScriptedResponses, startScriptedResponses } from "./scripted-responses.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";

export interface CodexDaemon {
  readonly daemon: Daemon;
  readonly model: ScriptedResponses;
  /** Creates a session and returns its id. */
  create(request: Record<string, unknown>): Promise<string>;
  prompt(id: string, text: string): Promise<string>;
  /** A POST that must be accepted. */
  tell(id: string, what: string, body?: Record<string, unknown>): Promise<void>;
  /** The log once `enough` holds for it; by default once the session has ended. */
  log(id: string, enough?: (events: readonly LoggedEvent[]) => boolean): Promise<readonly LoggedEvent[]>;
  /** Resolves when no process of the session is alive. */
  allGone(id: string): Promise<void>;
  stop(): Promise<void>;
}

/** The model that offers plain tools rather than code mode, so that its calls can be scripted. */
export const codexModel = "gpt-5.5";

/** The platform binary that `npm ci` brought. */
export function codexBinary(): string {
  return findAgent({ name: "codex", command: undefined, path: undefined });
}

export async function startCodexDaemon(
  options: Omit<DaemonOptions, "args"> & { args?: readonly string[]; baseUrl?: string } = {},
): Promise<CodexDaemon> {
  const model = await startScriptedResponses();
  const { args = [], baseUrl = model.url, ...rest } = options;
  const codex = { harness: "codex", command: codexBinary(), args, key_env: "TEST_MODEL_KEY", base_url: baseUrl };
  const daemon = await startDaemon({
    ...rest,
    config: { ...options.config, agents: { codex } },
    env: { ...options.env, TEST_MODEL_KEY: "no-key-needed" },
  });
  return {
    daemon,
    model,
    create: async (request) => {
      const { status, body, text } = await daemon.post("/sessions", { agent: "codex", model: codexModel, ...request });
      if (status !== 201) throw new Error(`no session: ${status} ${text}`);
      return String(body.session_id);
    },
    prompt: async (id, text) => {
      const answer = await daemon.post(`/sessions/${id}/prompt`, { text });
      if (answer.status !== 202) throw new Error(`the prompt was not accepted: ${answer.status} ${answer.text}`);
      return String(answer.body.turn_id);
    },
    tell: async (id, what, body = {}) => {
      const answer = await daemon.post(`/sessions/${id}/${what}`, body);
      if (answer.status !== 202) throw new Error(`${what} was not accepted: ${answer.status} ${answer.text}`);
    },
    log: (id, enough) => readLog(daemon, id, enough ? { enough } : {}),
    allGone: async (id) => {
      await eventually(() => sessionProcesses(id).length === 0, { what: `the end of every process of ${id}` });
    },
    stop: async () => {
      await daemon.stop();
      await model.close();
    },
  };
}
