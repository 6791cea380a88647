/** Entries of live sessions: each with its attendance, and what follows when that is over. */

import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { drainSpool } from "../process/spool-reader.ts";
import { messageOf } from "../protocol/error.ts";
import { hookAllowance } from "../protocol/hooks.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { Session } from "../session/session.ts";
import { TurnQueue } from "../session/turn-queue.ts";
import { Attendance } from "./attendance.ts";
import { type Context, runDirOf } from "./context.ts";
import type { Entry } from "./entry.ts";
import { hooksOf } from "./hooks.ts";

export interface Attended {
  entry: Entry;
  attendance: Attendance;
}

/** It is not in the registry yet. */
export function attended(context: Context, session: Session, runtime: Runtime): Attended {
  const entry: Entry = { session, attendance: undefined, sidecar: undefined, saving: Promise.resolve() };
  const { config, books, checkpoints, log } = context;
  const attendance = new Attendance({
    session,
    queue: new TurnQueue(),
    queueLengthMax: config.limits.queue_length,
    harness: config.agents[session.spec.agent]?.harness ?? "generic",
    hookAllowance: hookAllowance(hooksOf(config, session.spec.agent)),
    drainSpool: (afterSeq, take) =>
      context.drains.run(() => drainSpool(runtime.sidecarDirOf(session.home.dir), { afterSeq, take })),
    sweep: () => runtime.sweep(session.id),
    onChanged: () => books.save(entry),
    onMet: async () => {
      books.save(entry);
      await entry.saving;
    },
    onGrown: () => checkpoints.note(entry),
    onFault: (error) =>
      log("error", "a session could not be ended as it should", { session_id: session.id, error: detailOf(error) }),
    onEnded: () => ended(context, entry),
  });
  entry.attendance = attendance;
  return { entry, attendance };
}

function ended(context: Context, entry: Entry): void {
  entry.attendance = undefined;
  context.hostDoors.close(entry.session.id);
  context.logins.forget(entry.session.id);
  context.books.close(entry, () => cleanUp(context, entry.session));
  context.registry.checkQuiet();
}

/** What only a live session needs: its sockets, and what the log now holds too. */
async function cleanUp({ runDir, log }: Context, { id, home }: Session): Promise<void> {
  try {
    await rm(runDirOf(runDir, id), { recursive: true, force: true });
    for (const folder of [home.dir, home.box]) {
      for (const name of await readdir(folder).catch(() => []))
        if (name.startsWith("spool-") || name === "sidecar.json") await rm(join(folder, name), { force: true });
    }
  } catch (error) {
    log("warn", `Cannot clean up behind session "${id}": ${messageOf(error)}`);
  }
}

function detailOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
