/** The live sessions, and how much their logs have grown since they were looked at last. Costs nothing per event. */
import type { Session } from "../session/session.ts";

export interface Growth {
  agent: string;
  events: number;
  bytes: number;
}

export class LiveSessions {
  readonly #counted = new Map<Session, { seq: number; end: number }>();
  readonly #onGrowth: (growth: Growth) => void;

  constructor(onGrowth: (growth: Growth) => void) {
    this.#onGrowth = onGrowth;
  }

  add(session: Session): void {
    this.#counted.set(session, { seq: session.seq, end: session.end });
  }

  /** What it had not been counted for is counted now. */
  remove(session: Session): void {
    this.#count(session);
    this.#counted.delete(session);
  }

  /** Counts what came since, and tells which sessions are live. */
  look(): Session[] {
    for (const session of this.#counted.keys()) this.#count(session);
    return [...this.#counted.keys()];
  }

  #count(session: Session): void {
    const last = this.#counted.get(session);
    if (!last) return;
    const { seq, end } = session;
    if (seq === last.seq && end === last.end) return;
    this.#onGrowth({ agent: session.spec.agent, events: seq - last.seq, bytes: end - last.end });
    this.#counted.set(session, { seq, end });
  }
}
