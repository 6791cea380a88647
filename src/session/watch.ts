/**
 * Who looks on at sessions without taking part: logs, figures, traces. Told of a session's life, never of its bytes,
 * and never in the way: what it is told, it may not refuse.
 */
import type { SessionEvent } from "../protocol/event.ts";
import type { Session } from "./session.ts";

export interface SessionWatch {
  /** Its log is open: it is new, or an earlier daemon's. */
  opened(session: Session): void;
  /** It has a sidecar: a new one, or an earlier daemon's. */
  launched(session: Session, how: { isAdopted: boolean }): void;
  /** The first line of its sidecar came. */
  begun(session: Session): void;
  /**
   * An event that says something about the session's life, the daemon's own included; not deltas, progress or output.
   * `at` is when it was made, in Unix ms.
   */
  told(session: Session, event: SessionEvent, at: number): void;
  /** It waits for room on the disk, or goes on. */
  paused(session: Session, isPaused: boolean): void;
  ended(session: Session): void;
  /** It goes on, and this daemon has nothing more to do with it. */
  released(session: Session): void;
}
