/** What a person types for a session → its id: the whole id, its name, or a prefix that only one id has. */
import { AgentdError } from "../protocol/error.ts";
import type { DaemonAddress } from "./address.ts";
import { getSession, listHistory, listSessions } from "./sessions.ts";

/** More than one session begins like that: a mistake in what was typed. */
export class AmbiguousSession extends Error {
  constructor(typed: string, ids: readonly string[]) {
    const shown = ids.slice(0, 10).join(", ");
    const more = ids.length > 10 ? ` and ${ids.length - 10} more` : "";
    super(
      `${JSON.stringify(typed)} is the beginning of ${ids.length} sessions: ${shown}${more}. Type more of the one you mean`,
    );
    this.name = "AmbiguousSession";
  }
}

/** Throws AgentdError `session_not_found` or AmbiguousSession. */
export async function findSession(address: DaemonAddress, typed: string): Promise<string> {
  const exact = await unlessMissing(getSession(address, typed));
  if (exact) return exact.session_id;
  // Nothing that an id could begin with lists nothing.
  const views = /^[A-Za-z0-9-]{1,64}$/.test(typed) ? await listSessions(address, { idPrefix: typed }) : [];
  return onlyOne(
    typed,
    views.map((view) => view.session_id),
  );
}

/** The same, also among sessions of which only the log is left. */
export async function findLoggedSession(address: DaemonAddress, typed: string): Promise<string> {
  const listed = await unlessMissing(findSession(address, typed));
  if (listed !== undefined) return listed;
  const entries = await listHistory(address, historyMax);
  const ids = entries.map((entry) => entry.session_id);
  return ids.includes(typed) ? typed : onlyOne(typed, ids);
}

/** As many logs as are looked through for a prefix; a whole id finds any. */
const historyMax = 1000;

function onlyOne(typed: string, ids: readonly string[]): string {
  const found = ids.filter((id) => id.startsWith(typed));
  const [first] = found;
  if (first === undefined) {
    throw new AgentdError(
      "session_not_found",
      `There is no session ${JSON.stringify(typed)}. See them with "agentd ls --all"`,
    );
  }
  if (found.length > 1) throw new AmbiguousSession(typed, found);
  return first;
}

/** Undefined when there is no such session. */
export async function unlessMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof AgentdError && (error.code === "session_not_found" || error.code === "not_found"))
      return undefined;
    throw error;
  }
}
