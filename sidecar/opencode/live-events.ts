/** The program's events as long as it lives: a stream that ends is opened again, and what was missed is asked for. */
import type { AgentProcess } from "../agent-process.ts";
import type { Api } from "./api.ts";
import { endsWithin, within } from "./deadline.ts";
import { type EventBatch, type EventStream, openEventStream } from "./event-stream.ts";

export interface LiveEventsOptions {
  api: Api;
  agentProcess: AgentProcess;
  lineBytesMax: number;
  onEvents(batch: EventBatch): Promise<void>;
  isClosing(): boolean;
  /** What has happened in the running turn, for whoever was away. */
  missed(): Promise<string[]>;
  onLost(error: unknown): void;
}

const reconnectsMax = 8;
const reconnectMs = 100;

export class LiveEvents {
  readonly #options: LiveEventsOptions;
  #stream: EventStream | undefined;

  constructor(options: LiveEventsOptions) {
    this.#options = options;
  }

  async connect(): Promise<void> {
    const { api, lineBytesMax, onEvents } = this.#options;
    this.#stream = await openEventStream({ api, lineBytesMax, onEvents });
    void this.#stream.ended.then(() => this.#reconnect());
  }

  /** What was sent before the program ended is read, within this time. */
  async endWithin(ms: number): Promise<void> {
    if (this.#stream) await within(this.#stream.ended, ms);
  }

  close(): void {
    this.#stream?.close();
  }

  async #reconnect(): Promise<void> {
    const { agentProcess, isClosing, missed, onEvents, onLost } = this.#options;
    for (let count = 0; !isClosing() && !(await endsWithin(agentProcess, reconnectMs * 2 ** count)); ) {
      try {
        await this.connect();
        await onEvents({ events: await missed() });
        return;
      } catch (error) {
        count++;
        if (count < reconnectsMax) continue;
        return onLost(error);
      }
    }
  }
}
