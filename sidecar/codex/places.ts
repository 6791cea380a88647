/** Where a line belongs: to the session's own thread or to a sub-agent's, and to which turn of ours. Pure. */
import type { Place } from "./agent-output.ts";
import type { Threads } from "./threads.ts";
import type { TurnBook } from "./turn-book.ts";

export class Places {
  readonly #book: TurnBook;
  readonly #threads: Threads;

  constructor({ book, threads }: { book: TurnBook; threads: Threads }) {
    this.#book = book;
    this.#threads = threads;
  }

  isOwn(threadId: string): boolean {
    return threadId === this.#threads.main;
  }

  /** A sub-agent's lines belong to the turn that called it, also when they come after that. */
  of(threadId: string | null | undefined, codexTurnId: string | null | undefined): Place {
    const turnId = this.#book.idOf(codexTurnId) ?? this.#book.nearestId;
    if (!threadId || this.isOwn(threadId)) return { threadId: threadId ?? "", turnId, parentId: undefined };
    const child = this.#threads.child(threadId);
    if (child) return { threadId, turnId: child.turnId, parentId: child.parentId };
    return { threadId, turnId, parentId: threadId };
  }

  /** Codex's turns that run: the session's own and those of its sub-agents. */
  get codexTurns(): { threadId: string; turnId: string }[] {
    const main = this.#threads.main;
    const own = this.#book.running?.codexId;
    const children = this.#threads.running.flatMap(({ threadId, codexTurnId }) =>
      codexTurnId === undefined ? [] : [{ threadId, turnId: codexTurnId }],
    );
    return main !== undefined && own !== undefined ? [{ threadId: main, turnId: own }, ...children] : children;
  }
}
