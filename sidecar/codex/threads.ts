/** The session's own thread and those of its sub-agents, which Codex shows on the same connection. */
import type { Usage } from "../../src/protocol/event.ts";
import { UsageMeter } from "./usage-meter.ts";

export interface Child {
  readonly threadId: string;
  /** The call that began it; its thread's id when that call was never seen. */
  parentId: string;
  /** Our turn in which it was called. */
  turnId: string;
  /** Codex's id of the turn it is in. */
  codexTurnId?: string;
  readonly meter: UsageMeter;
}

const childrenMax = 1000;

export class Threads {
  readonly #children = new Map<string, Child>();
  #main: string | undefined;

  get main(): string | undefined {
    return this.#main;
  }

  set main(id: string) {
    this.#main = id;
    this.#children.delete(id);
  }

  /** Undefined for the session's own thread, and for what names none. */
  child(threadId: string | null | undefined): Child | undefined {
    return threadId && threadId !== this.#main ? this.#children.get(threadId) : undefined;
  }

  /** A thread that is not ours was seen, or the call that began it. The first to say so is believed. */
  ensureChild(threadId: string, parent: { parentId: string | undefined; turnId: string }): Child {
    const known = this.#children.get(threadId);
    if (known) {
      if (known.parentId === threadId && parent.parentId !== undefined) known.parentId = parent.parentId;
      return known;
    }
    const child: Child = {
      threadId,
      parentId: parent.parentId ?? threadId,
      turnId: parent.turnId,
      meter: new UsageMeter(),
    };
    this.#children.set(threadId, child);
    const [oldest] = this.#children.keys();
    if (this.#children.size > childrenMax && oldest !== undefined) this.#children.delete(oldest);
    return child;
  }

  /** Those that are at work. */
  get running(): Child[] {
    return [...this.#children.values()].filter(({ codexTurnId }) => codexTurnId !== undefined);
  }

  ended(): void {
    for (const child of this.#children.values()) delete child.codexTurnId;
  }
}

export function hasTokens(usage: Usage): boolean {
  return usage.input_tokens + usage.output_tokens + usage.cache_read_input_tokens > 0;
}
