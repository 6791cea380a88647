/** What a normalizer has to tell: its events in order, each line of the agent with the first event that came of it. Pure. */
import type { SessionEvent } from "../src/protocol/event.ts";
import type { SidecarStatus } from "../src/protocol/link-frame.ts";
import type { HarnessOutput } from "./harness.ts";

export class Outbox {
  /** The line that is being read, until an event has taken it along. */
  line: string | undefined;
  #outputs: HarnessOutput[] = [];
  #shown = "";

  emit(event: SessionEvent): void {
    this.#outputs.push(this.line === undefined ? { event } : { event, raw: this.line });
    this.line = undefined;
  }

  emitAll(events: readonly SessionEvent[]): void {
    for (const event of events) this.emit(event);
  }

  /** An event that no line of the agent brought. */
  add(event: SessionEvent): void {
    this.line = undefined;
    this.emit(event);
  }

  addAll(events: readonly SessionEvent[]): void {
    this.line = undefined;
    this.emitAll(events);
  }

  take(): HarnessOutput[] {
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** Whether this status is another one than the last that was asked about. */
  isNews(status: Partial<SidecarStatus>): boolean {
    const shown = JSON.stringify(status);
    const isNew = shown !== this.#shown;
    this.#shown = shown;
    return isNew;
  }
}
