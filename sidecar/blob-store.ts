/** Files for agent lines that are too long to be kept in memory: `blobs/<n>.bin` in the session's folder. */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { EventOf } from "../src/protocol/event.ts";
import type { Overflow } from "../src/protocol/ndjson.ts";
import type { Redaction } from "./redact/redaction.ts";

/** A line that went to a file instead of into memory. */
export interface OversizedLine {
  stream: "stdout" | "stderr";
  /** The file's name in the session's `blobs` folder; null when not even that could be written. */
  blob: string | null;
  /** Length of the whole line, without its newline; of what was left of it when secrets were taken out. */
  bytes: number;
  /** The file holds less than the line did. */
  truncated: boolean;
  /** How the line began, for people. */
  head: string;
}

const headBytesMax = 1024;

export class BlobStore {
  readonly #directory: string;
  readonly #blobBytesMax: number;
  readonly #redaction: Redaction | undefined;
  #count = 0;

  constructor(options: { sessionDir: string; blobBytesMax: number; redaction?: Redaction | undefined }) {
    this.#redaction = options.redaction;
    this.#directory = join(options.sessionDir, "blobs");
    this.#blobBytesMax = options.blobBytesMax;
  }

  /** A sink for one line; `onEnd` gets the record of it when the line is over. Never throws: a full disk truncates. */
  open(stream: OversizedLine["stream"], onEnd: (line: OversizedLine) => void): Overflow {
    const name = `${++this.#count}.bin`;
    let file = this.#create(name);
    const line: OversizedLine = {
      stream,
      blob: file === undefined ? null : name,
      bytes: 0,
      truncated: false,
      head: "",
    };
    let head = Buffer.alloc(0);
    const write = (bytes: Buffer) => {
      if (head.length < headBytesMax) head = Buffer.concat([head, bytes.subarray(0, headBytesMax - head.length)]);
      const kept = bytes.subarray(0, Math.max(0, this.#blobBytesMax - line.bytes));
      line.bytes += bytes.length;
      if (kept.length < bytes.length || file === undefined) line.truncated = true;
      if (file !== undefined && !writeAll(file, kept)) {
        // What follows a hole would be read as if it belonged there: the file ends where the disk did.
        line.truncated = true;
        closeSync(file);
        file = undefined;
      }
    };
    const end = () => {
      if (file !== undefined) closeSync(file);
      // A character cut at the limit would show as U+FFFD.
      onEnd({ ...line, head: new TextDecoder().decode(head, { stream: true }) });
    };
    return this.#redaction?.sink({ write, end }) ?? { write, end };
  }

  #create(name: string): number | undefined {
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      return openSync(join(this.#directory, name), "wx", 0o600);
    } catch {
      return undefined;
    }
  }
}

/** What the log says of such a line. */
export function oversizedLineEvent(line: OversizedLine): EventOf<"system"> {
  return { type: "system", data: { subtype: "oversized_line", ...line } };
}

function writeAll(file: number, bytes: Buffer): boolean {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    return true;
  } catch {
    return false;
  }
}
