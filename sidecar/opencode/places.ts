/** Where things belong: which message is whose and of which turn, and which subagent works for which call. */
import { BoundedMap } from "../bounded-memory.ts";

/** The turn of something, and the call of the main agent that a subagent works for. */
export interface Whereabouts {
  turnId: string;
  parentId: string | undefined;
}

export interface MessageMemo {
  role: "user" | "assistant";
  turnId: string;
  model: string | undefined;
  /** Of the conversation so far, for the model alone. */
  isSummary: boolean;
}

export class Places {
  readonly #messages = new BoundedMap<MessageMemo>();
  /** Sessions of subagents. */
  readonly #children = new BoundedMap<{ turnId: string; parentId: string }>();
  /** The program's id of our conversation. */
  main: string | undefined;
  /** The turn that runs, or the last one that did. */
  turnId = "t0";

  isOurs(sessionId: string): boolean {
    return sessionId === this.main || this.#children.has(sessionId);
  }

  /** The call that it works for is named when that call shows as running; until then the session's own id stands for it. */
  began(sessionId: string, parentSessionId: string): void {
    if (this.isOurs(parentSessionId) && !this.isOurs(sessionId)) this.worksFor(sessionId, sessionId, this.turnId);
  }

  worksFor(sessionId: string, callId: string, turnId: string): void {
    this.#children.set(sessionId, { parentId: callId, turnId });
  }

  of(sessionId: string): Whereabouts {
    const child = sessionId === this.main ? undefined : this.#children.get(sessionId);
    return child ?? { turnId: this.turnId, parentId: undefined };
  }

  message(id: string): MessageMemo | undefined {
    return this.#messages.get(id);
  }

  remember(id: string, sessionId: string, memo: Partial<MessageMemo> & Pick<MessageMemo, "role">): void {
    const { turnId } = this.of(sessionId);
    this.#messages.set(id, { turnId, model: undefined, isSummary: false, ...memo });
  }
}

export function parentOf({ parentId }: { parentId: string | undefined }): { parent_id?: string } {
  return parentId === undefined ? {} : { parent_id: parentId };
}
