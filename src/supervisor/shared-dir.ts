/** Telling sessions that they work in the same folder. */
import type { SessionEvent } from "../protocol/event.ts";
import type { Session } from "../session/session.ts";
import type { Entry } from "./entry.ts";

/** Tells a new session and those that were there before it. */
export async function warnOfSharedDir({ session }: Entry, all: readonly Entry[]): Promise<void> {
  const { work_dir, work_dir_is_scratch } = session.spec;
  // Scratch places of containers have one name and nothing else in common.
  if (work_dir_is_scratch) return;
  const others = all.filter(
    (other) => other.attendance && other.session !== session && other.session.spec.work_dir === work_dir,
  );
  if (others.length === 0) return;
  const ids = others.map((other) => other.session.id);
  await Promise.all([
    warn(session, work_dir, ids),
    ...others.map((other) => warn(other.session, work_dir, [session.id])),
  ]);
}

async function warn(session: Session, dir: string, ids: readonly string[]): Promise<void> {
  const message = `Another live session works in "${dir}": their changes may collide.`;
  const warning: SessionEvent = {
    type: "system",
    data: { subtype: "work_dir_shared", message, session_ids: ids },
  };
  await session.appendOwn([warning]).catch(() => {
    // It ended meanwhile: there is nothing to warn of any more.
  });
}
