/** Which conversation a request wants to go on with: that of a session of ours, or one of the agent's own. */
import { AgentdError } from "../protocol/error.ts";
import type { AgentHome } from "../protocol/session.ts";
import type { SessionRow } from "../store/store.ts";
import type { Context } from "./context.ts";
import { rowOf } from "./entry.ts";
import { isUuid } from "./spec.ts";

export interface Resumed {
  agentSessionId: string;
  homeOf: string | undefined;
  agentHome: AgentHome | undefined;
}

/** How agents other than Claude Code name a conversation. */
const agentId = /^[A-Za-z0-9][A-Za-z0-9_.:-]{7,127}$/;

/** Rejects with `resume_not_found`. */
export async function resumedBy(context: Context, ref: string, agent: string): Promise<Resumed> {
  const row = await find(context, ref);
  if (!row) {
    // An agent itself may take titles and paths too; only an id says which conversation is meant.
    const isId = context.config.agents[agent]?.harness === "claude" ? isUuid(ref) : agentId.test(ref);
    if (!isId) {
      throw new AgentdError(
        "resume_not_found",
        `Cannot resume "${ref.slice(0, 80)}": there is no such session here, and it does not look like an id of the agent's own`,
      );
    }
    return { agentSessionId: ref, homeOf: undefined, agentHome: undefined };
  }
  if (row.agent_session_id === null) {
    throw new AgentdError(
      "resume_not_found",
      `Cannot resume session "${ref}": its agent never began a conversation. Start a new session`,
    );
  }
  return {
    agentSessionId: row.agent_session_id,
    homeOf: row.home_of ?? undefined,
    agentHome: row.agent_home ?? undefined,
  };
}

async function find({ registry, store }: Context, ref: string): Promise<SessionRow | undefined> {
  const named = registry.find(ref);
  if (named) return rowOf(named);
  const ended = await store.sessions.findEnded(ref);
  if (ended) return ended;
  const [live] = registry
    .all()
    .filter(({ session }) => session.agentSessionId === ref)
    .sort((a, b) => b.session.spec.created_at - a.session.spec.created_at);
  return live ? rowOf(live) : store.sessions.findConversation(ref);
}
