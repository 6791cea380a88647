/**
 * Ends a turn that is to end, with those of its sub-agents, then the commands that they leave behind: 0.169.0 lets them run. It also
 * has named a turn for some moments before it can be interrupted ("no active turn to interrupt"), so it is told again.
 */
import type { Turn } from "./turn-book.ts";

export interface InterruptionOptions {
  /** Sends a request whose reply changes nothing. */
  tell(method: string, params: object): void;
  /** The commands have had their time: the turn ends without them. */
  onLetGo(): void;
}

interface Ending {
  codexId: string;
  threadIds: string[];
  again: NodeJS.Timeout;
  letGo: NodeJS.Timeout | undefined;
}

/** How long the commands of an interrupted turn may take to end after they were told to. */
const cleanMs = 1_500;
/** Until the turn has ended, or for as often as this: one that takes no notice then will not. */
const againMs = 200;
const againMax = 50;

export class Interruption {
  readonly #options: InterruptionOptions;
  #ending: Ending | undefined;

  constructor(options: InterruptionOptions) {
    this.#options = options;
  }

  /** Does what is next, by how things are: asked again whenever they may have changed. */
  settle(turn: Turn | undefined, codexTurns: readonly { threadId: string; turnId: string }[]): void {
    const codexId = turn?.codexId;
    if (turn && codexId !== undefined && (turn.interrupt || turn.refusal)) this.#begin(codexId, codexTurns);
    const ending = this.#ending;
    if (!ending || (ending.codexId === codexId && !turn?.held)) return;
    clearInterval(ending.again);
    if (ending.letGo === undefined) {
      for (const threadId of ending.threadIds) this.#options.tell("thread/backgroundTerminals/clean", { threadId });
      ending.letGo = setTimeout(this.#options.onLetGo, cleanMs);
    }
    if (turn?.held) return;
    clearTimeout(ending.letGo);
    this.#ending = undefined;
  }

  /** The agent is gone. */
  close(): void {
    this.#forget();
  }

  #forget(): void {
    clearInterval(this.#ending?.again);
    clearTimeout(this.#ending?.letGo);
  }

  #begin(codexId: string, codexTurns: readonly { threadId: string; turnId: string }[]): void {
    if (this.#ending?.codexId === codexId) return;
    this.#forget();
    let told = 0;
    const tell = () => {
      for (const each of codexTurns) this.#options.tell("turn/interrupt", each);
      if (++told === againMax) clearInterval(again);
    };
    const again = setInterval(tell, againMs);
    this.#ending = { codexId, threadIds: codexTurns.map(({ threadId }) => threadId), again, letGo: undefined };
    tell();
  }
}
