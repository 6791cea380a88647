/** A daemon whose agent is the real OpenCode and whose model is the scripted one. */
import { findAgent } from "../../src/runtime/find-agent.ts";
import type { LoggedEvent } from "./client-socket.ts";
import { eventually } from "./eventually.ts";
import { sessionProcesses } from "./processes.ts";
import { readLog } from "./read-log.ts";
import { type ScriptedModel, startScriptedModel } from "./scripted-model.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";

export interface OpencodeDaemon {
  readonly daemon: Daemon;
  readonly model: ScriptedModel;
  /** Creates a session and returns its id. */
  create(request: Record<string, unknown>): Promise<string>;
  prompt(id: string, text: string): Promise<string>;
  /** The log once `enough` holds for it; by default once the session has ended. */
  log(id: string, enough?: (events: readonly LoggedEvent[]) => boolean): Promise<readonly LoggedEvent[]>;
  /** Resolves when no process of the session is alive. */
  allGone(id: string): Promise<void>;
  stop(): Promise<void>;
}

/** Its start alone takes seconds of a whole core, and tests run beside each other. */
const deadlineMs = 90_000;

/** The native binary of the npm package. */
export function opencodeBinary(): string {
  return findAgent({ name: "opencode", command: undefined, path: undefined });
}

export async function startOpencodeDaemon(
  options: DaemonOptions & { agentEnv?: Record<string, string> } = {},
): Promise<OpencodeDaemon> {
  const model = await startScriptedModel();
  const opencode = {
    harness: "opencode",
    command: opencodeBinary(),
    key_env: "TEST_MODEL_KEY",
    base_url: model.url,
    env: options.agentEnv ?? {},
  };
  const daemon = await startDaemon({
    ...options,
    config: { ...options.config, agents: { opencode } },
    env: { ...options.env, TEST_MODEL_KEY: "no-key-needed" },
  });
  return {
    daemon,
    model,
    create: async (request) => {
      const { status, body, text } = await daemon.post("/sessions", { agent: "opencode", ...request });
      if (status !== 201) throw new Error(`no session: ${status} ${text}`);
      return String(body.session_id);
    },
    prompt: async (id, text) => {
      const answer = await daemon.post(`/sessions/${id}/prompt`, { text });
      if (answer.status !== 202) throw new Error(`the prompt was not accepted: ${answer.status} ${answer.text}`);
      return String(answer.body.turn_id);
    },
    log: (id, enough) => readLog(daemon, id, { deadlineMs, ...(enough ? { enough } : {}) }),
    allGone: async (id) => {
      await eventually(() => sessionProcesses(id).length === 0, { what: `the end of every process of ${id}` });
    },
    stop: async () => {
      await daemon.stop();
      await model.close();
    },
  };
}
