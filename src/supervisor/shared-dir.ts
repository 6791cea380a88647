/** Telling sessions that they work in the same folder. */
import type { SessionEvent } from "../protocol/event.ts";
import type { Session } from "../session/session.ts";
import type { Entry } from "./entry.ts";

/** So many are named to people; programs get more, and how many there are. */
const namedMax = 3;
const idsMax = 100;

/** Tells a new session and those that were there before it. */
export async function warnOfSharedDir({ session }: Entry, all: readonly Entry[]): Promise<void> {
  const { work_dir, work_dir_is_scratch } = session.spec;
  // Scratch places of containers have one name and nothing else in common.
  if (work_dir_is_scratch) return;
  const others = all.filter(
    (other) => other.attendance && other.session !== session && other.session.spec.work_dir === work_dir,
  );
  if (others.length === 0) return;
  const sessions = others.map((other) => other.session);
  await Promise.all([warn(session, work_dir, sessions), ...sessions.map((other) => warn(other, work_dir, [session]))]);
}

async function warn(session: Session, dir: string, others: readonly Session[]): Promise<void> {
  const warning: SessionEvent = {
    type: "system",
    data: {
      subtype: "work_dir_shared",
      message: `${sessionsText(others)} in "${dir}" too: their changes may collide.`,
      session_ids: others.slice(0, idsMax).map(({ id }) => id),
      session_count: others.length,
    },
  };
  await session.appendOwn([warning]).catch(() => {
    // It ended meanwhile: there is nothing to warn of any more.
  });
}

/** Whoever is told may want to attach to one of them. */
function sessionsText(sessions: readonly Session[]): string {
  const named = sessions
    .slice(0, namedMax)
    .map(({ id, spec }) => (spec.name === undefined ? id : `${id} (${spec.name})`));
  const more = sessions.length > namedMax ? ` and ${sessions.length - namedMax} more` : "";
  return sessions.length === 1 ? `Session ${named} works` : `Sessions ${named.join(", ")}${more} work`;
}
