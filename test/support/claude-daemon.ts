/** A daemon whose agent is the real Claude Code and whose model is the scripted one. */
import { claudeBinary } from "./claude-binary.ts";
import type { LoggedEvent } from "./client-socket.ts";
import { eventually } from "./eventually.ts";
import { sessionProcesses } from "./processes.ts";
import { readLog } from "./read-log.ts";
import { type ScriptedModel, startScriptedModel } from "./scripted-model.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";

export interface ClaudeDaemon {
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

export async function startClaudeDaemon(
  options: DaemonOptions & { agentEnv?: Record<string, string> } = {},
): Promise<ClaudeDaemon> {
  const model = await startScriptedModel();
  const claude = {
    command: claudeBinary(),
    key_env: "TEST_MODEL_KEY",
    base_url: model.url,
    env: options.agentEnv ?? {},
  };
  const daemon = await startDaemon({
    ...options,
    config: { ...options.config, agents: { claude } },
    env: { ...options.env, TEST_MODEL_KEY: "no-key-needed" },
  });
  return {
    daemon,
    model,
    create: async (request) => {
      const { status, body, text } = await daemon.post("/sessions", { agent: "claude", ...request });
      if (status !== 201) throw new Error(`no session: ${status} ${text}`);
      return String(body.session_id);
    },
    prompt: async (id, text) => {
      const answer = await daemon.post(`/sessions/${id}/prompt`, { text });
      if (answer.status !== 202) throw new Error(`the prompt was not accepted: ${answer.status} ${answer.text}`);
      return String(answer.body.turn_id);
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

export function results(events: readonly LoggedEvent[]): { turn: unknown; status: unknown }[] {
  return events
    .filter(({ type }) => type === "result")
    .map(({ data }) => ({ turn: data["turn_id"], status: data["status"] }));
}

export function ofType(events: readonly LoggedEvent[], type: string): Record<string, unknown>[] {
  return events.filter((event) => event.type === type).map(({ data }) => data);
}

/** Text of the agent in whole messages. */
export function said(events: readonly LoggedEvent[]): string[] {
  return ofType(events, "agent_message")
    .filter((data) => data["delta"] === false && data["superseded"] !== true)
    .map((data) => String(data["text"]));
}

export const hasResults = (count: number) => (events: readonly LoggedEvent[]) => results(events).length >= count;
