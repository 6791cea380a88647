/**
 * Checkpoints of the logs that grow, for the start of a next daemon. It reads them once more, and nobody waits for it:
 * one log at a time, when its session is quiet or has become long, and never for more than a part of the time.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../protocol/error.ts";
import { checkpointOf } from "../session/checkpointing.ts";
import type { StoredLog } from "../session/read-lines.ts";
import type { Session } from "../session/session.ts";
import type { Books } from "./books.ts";
import type { Log } from "./context.ts";
import type { Entry } from "./entry.ts";

/** A log that has grown by less is read faster than it is worth writing of. */
const everyBytes = 512 * 1024;
/** One that never is quiet gets its checkpoint all the same. */
const longBytes = 64 * 1024 * 1024;
const quietMs = 1000;
const lookMs = 500;
/** For each time that it worked it rests so many times as long. */
const restFactor = 4;

export interface CheckpointsOptions {
  books: Books;
  log: Log;
  isClosing(): boolean;
}

export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #due = new Set<Entry>();
  /** Sessions in whose logs more is open than a checkpoint holds. */
  readonly #without = new WeakSet<Session>();
  #isAtWork = false;

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** Its log may have grown; asked after each write. */
  note(entry: Entry): void {
    const { session } = entry;
    if (grownBytes(session) < everyBytes || this.#without.has(session)) return;
    this.#due.add(entry);
    if (this.#isAtWork) return;
    this.#isAtWork = true;
    void this.#work().finally(() => {
      this.#isAtWork = false;
    });
  }

  async #work(): Promise<void> {
    while (this.#due.size > 0 && !this.#options.isClosing()) {
      const ripe = [...this.#due].find(isRipe);
      if (!ripe) {
        await delay(lookMs, undefined, { ref: false });
        continue;
      }
      this.#due.delete(ripe);
      await this.#write(ripe);
    }
  }

  async #write(entry: Entry): Promise<void> {
    const { session } = entry;
    try {
      if (!entry.attendance) return;
      const { end } = session;
      // The number of the last line that is in the file, which others may follow at any moment.
      const seq = await session.seqAt(end);
      const checkpoint = await checkpointOf(paced(session, end), seq, session.checkpoint);
      if (!entry.attendance || this.#options.isClosing()) return;
      if (!checkpoint) {
        this.#without.add(session);
        return;
      }
      session.checkpoint = checkpoint;
      this.#options.books.save(entry);
    } catch (error) {
      // Without one the next start takes longer, and finds the same.
      this.#without.add(session);
      this.#options.log("warn", `Cannot make a checkpoint of session "${session.id}": ${messageOf(error)}`, {
        session_id: session.id,
      });
    }
  }
}

function grownBytes({ end, checkpoint }: Session): number {
  return end - (checkpoint?.offset ?? 0);
}

/** Nothing has come for a while, it has become long, or it is over: then there is nothing to write, and it is let go of. */
function isRipe({ session, attendance }: Entry): boolean {
  if (!attendance) return true;
  const isQuiet = Math.abs(Date.now() - (session.lastActivity ?? 0)) >= quietMs;
  return isQuiet || grownBytes(session) >= longBytes;
}

/** The log up to here, read no faster than leaves room for the others. */
function paced(session: Session, end: number): StoredLog {
  let resumedAt = performance.now();
  return {
    end,
    readStored: async (from, to) => {
      await delay((performance.now() - resumedAt) * restFactor, undefined, { ref: false });
      const bytes = await session.readStored(from, to);
      resumedAt = performance.now();
      return bytes;
    },
  };
}
