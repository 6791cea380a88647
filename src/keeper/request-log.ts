/** Which requests a session made to its model: a line each, no bodies, no keys. Bounded; its failure costs nothing else. */
import { appendFile } from "node:fs/promises";
import { messageOf } from "../protocol/error.ts";

export interface RequestLine {
  /** Unix ms. */
  at: number;
  method: string;
  path: string;
  /** Of the service's answer; 0 when there was none. */
  status: number;
  ms: number;
  fault?: string;
}

const bytesMax = 16 * 1024 * 1024;

export class RequestLog {
  readonly #path: string;
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  note(line: RequestLine): void {
    if (this.#bytes > bytesMax) return;
    const text = `${JSON.stringify(line)}\n`;
    this.#bytes += text.length;
    this.#writing = this.#writing
      .then(() => appendFile(this.#path, text, { mode: 0o600 }))
      .catch((error: unknown) => {
        process.stderr.write(`Cannot write "${this.#path}": ${messageOf(error)}. The request itself was served\n`);
      });
  }
}
