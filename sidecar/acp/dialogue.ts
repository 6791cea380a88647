/** What we say to the agent: lines to write, and the numbers of our requests. Pure. */
import { type Request, requestLine } from "./outgoing.ts";

export class Dialogue {
  #lines: string[] = [];
  #lastRequestId = 0;

  /** Returns the number under which it will be answered. */
  ask(request: Request): number {
    this.#lastRequestId++;
    this.#lines.push(requestLine(this.#lastRequestId, request));
    return this.#lastRequestId;
  }

  say(...lines: readonly string[]): void {
    this.#lines.push(...lines);
  }

  take(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }
}
