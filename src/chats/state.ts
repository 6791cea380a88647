/** A chat as it is shown, made of what the store has of it and whether a session of it is live. Pure. */
import type { ChatListed, ChatState, ChatView } from "../protocol/chat.ts";
import { defined } from "../protocol/defined.ts";
import type { ChatRow, ChatStep, ChatSummary } from "../store/store.ts";
import { type StoredConfig, shownConfig } from "./config.ts";

export interface Chat {
  row: ChatRow;
  steps: readonly ChatStep[];
  /** Without the addresses that only a request knows. */
  view: Omit<ChatView, "ws_url">;
}

export function chatOf(known: {
  row: ChatRow;
  steps: readonly ChatStep[];
  conversations: Record<string, string>;
  /** The session that runs. */
  live: string | undefined;
}): Chat {
  const { row, steps, conversations, live } = known;
  const waiting = steps.find(({ standing }) => standing === "waiting");
  const sessions = steps.filter(({ kind }) => kind !== "imported");
  const chain = sessions.filter(({ standing, session_id }) => standing === "begun" || session_id === live);
  const isRunning = live !== undefined || waiting !== undefined;
  const config = configOf(row);
  return {
    row,
    steps,
    view: {
      name: row.name,
      config: { ...shownConfig(config), agent: String(config["agent"]) },
      state: stateOf({ isRunning, begun: chain.length }),
      session_chain: chain.map(({ session_id }) => session_id),
      created_at: isoOf(row.created_at),
      updated_at: isoOf(row.updated_at),
      ...(Object.keys(conversations).length > 0 ? { claude_session_ids: conversations } : {}),
      ...defined({
        current_session: live,
        next_session: waiting && waiting.session_id !== live ? waiting.session_id : undefined,
        replaced_sessions: replacedOf(steps),
        last_active_at: row.last_active_at === null ? undefined : isoOf(row.last_active_at),
      }),
    },
  };
}

export function listedOf({ row, begun, waiting }: ChatSummary, { isLive }: { isLive: boolean }): ChatListed {
  const { agent, runtime } = configOf(row);
  return {
    name: row.name,
    state: stateOf({ isRunning: isLive || waiting > 0, begun }),
    agent: String(agent),
    session_count: begun,
    created_at: isoOf(row.created_at),
    ...defined({
      runtime: typeof runtime === "string" ? runtime : undefined,
      last_active_at: row.last_active_at === null ? undefined : isoOf(row.last_active_at),
    }),
  };
}

/** A message that no agent was given went on into the step behind it. */
export function isReplacedBy(step: ChatStep | undefined, next: ChatStep | undefined): boolean {
  // The same moment is the same message: the next one is accepted when the session of this one has begun.
  return step?.kind === "message" && step.sent_at === next?.sent_at;
}

function replacedOf(steps: readonly ChatStep[]): Record<string, string> | undefined {
  const pairs = steps.flatMap((step, at) => {
    const next = steps[at + 1];
    return next && isReplacedBy(step, next) ? [[step.session_id, next.session_id] as const] : [];
  });
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

function stateOf({ isRunning, begun }: { isRunning: boolean; begun: number }): ChatState {
  if (isRunning) return "running";
  return begun === 0 ? "created" : "idle";
}

function configOf({ config }: ChatRow): StoredConfig {
  return typeof config === "object" && config !== null ? { ...config } : {};
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
