/** Items of a thread as they begin and end: what was said and done, what was taken in, and which sub-agents that began. Pure. */
import type { SessionEvent } from "../../src/protocol/event.ts";
import { progress } from "../facts.ts";
import { type AgentOutput, type Place, parentOf } from "./agent-output.ts";
import { receiversOf } from "./item-tool.ts";
import type { Places } from "./places.ts";
import type { ItemLine } from "./raw.ts";
import type { Threads } from "./threads.ts";
import type { TurnBook } from "./turn-book.ts";
import type { TurnEndings } from "./turn-endings.ts";

export interface ItemsOptions {
  agent: AgentOutput;
  book: TurnBook;
  places: Places;
  threads: Threads;
  endings: TurnEndings;
  model(): string | undefined;
  /** The session's own thread is at work. */
  onModelAnswers(): void;
}

const steersMax = 1000;

export class Items {
  readonly #options: ItemsOptions;
  /** Our names of steers that have not reached the model. */
  readonly #steers = new Set<string>();

  constructor(options: ItemsOptions) {
    this.#options = options;
  }

  steered(messageId: string): void {
    this.#steers.add(messageId);
    const [oldest] = this.#steers;
    if (this.#steers.size > steersMax && oldest !== undefined) this.#steers.delete(oldest);
  }

  started({ threadId, turnId, item }: ItemLine, now: number): SessionEvent[] {
    const place = this.#options.places.of(threadId, turnId);
    if (item.type === "userMessage") return this.#delivered(item.clientId, place);
    if (place.parentId === undefined) this.#options.onModelAnswers();
    return this.#options.agent.started(item, place, now);
  }

  completed({ threadId, turnId, item }: ItemLine, now: number): SessionEvent[] {
    const { agent, book, endings, threads, places } = this.#options;
    const place = places.of(threadId, turnId);
    switch (item.type) {
      case "userMessage":
        return this.#delivered(item.clientId, place);
      case "contextCompaction":
        return [{ type: "system", data: { subtype: "compaction", turn_id: place.turnId, ...parentOf(place) } }];
      case "plan":
        return [progress(place.turnId, "plan", { text: item.text ?? "", ...parentOf(place) })];
      default:
    }
    if (item.type === "agentMessage" && place.parentId === undefined && item.text) {
      const turn = book.running;
      if (turn?.id === place.turnId) turn.text = item.text;
    }
    const model = place.parentId === undefined ? this.#options.model() : undefined;
    const events = agent.completed(item, { ...place, model }, now);
    for (const child of receiversOf(item))
      if (child !== threads.main) threads.ensureChild(child, { parentId: item.id, turnId: place.turnId });
    return [...events, ...endings.callEnded(now)];
  }

  /** A message has reached the model. What the model was writing is thrown away for it. */
  #delivered(messageId: string | null | undefined, { threadId, turnId }: Place): SessionEvent[] {
    if (!messageId || !this.#steers.delete(messageId)) return [];
    const cut = this.#options.agent.textCut(threadId);
    return [...cut, progress(turnId, "input_delivered", { input: "steer" })];
  }
}
