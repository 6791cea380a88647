/**
 * What was said in a chat before it came here, read from its file a piece at a time: where pieces begin is looked for once, and
 * then a page costs as much as the page is long.
 */
import { ChatMessage } from "../protocol/chat.ts";
import { errnoOf } from "../protocol/error.ts";
import type { StoredLog } from "../session/read-lines.ts";

/** A piece has so many bytes at least, and ends with a line. */
const pieceBytes = 64 * 1024;
const stepBytes = 256 * 1024;

/** A line, and the byte at which it begins. */
interface Place {
  line: number;
  at: number;
}

/** A message, which line of the file it is, and how many bytes that takes. */
export interface ImportedMessage {
  message: ChatMessage;
  line: number;
  bytes: number;
}

export class ImportedLog {
  readonly #log: StoredLog;
  /** Where each piece begins. */
  readonly #places: readonly Place[];

  private constructor(log: StoredLog, places: readonly Place[]) {
    this.#log = log;
    this.#places = places;
  }

  /** Of a file that is never changed. */
  static async open(log: StoredLog): Promise<ImportedLog> {
    const places: Place[] = [];
    let line = 0;
    let next = 0;
    for (let from = 0; from < log.end; from += stepBytes) {
      const bytes = await log.readStored(from, Math.min(log.end, from + stepBytes));
      for (let end = bytes.indexOf("\n"); end !== -1; end = bytes.indexOf("\n", end + 1)) {
        if (next >= (places.at(-1)?.at ?? -pieceBytes) + pieceBytes) places.push({ line, at: next });
        line++;
        next = from + end + 1;
      }
    }
    return new ImportedLog(log, places);
  }

  /** Those before this line, the last one first. */
  async *back(before: number): AsyncGenerator<ImportedMessage> {
    for (let piece = this.#pieceOf(before - 1); piece >= 0; piece--) {
      const { first, lines } = await this.#read(piece);
      for (let at = Math.min(lines.length, before - first) - 1; at >= 0; at--)
        yield* readLine(lines[at] ?? "", first + at);
    }
  }

  /** All of them, the first one first. */
  async *forward(): AsyncGenerator<ImportedMessage> {
    for (let piece = 0; piece < this.#places.length; piece++) {
      const { first, lines } = await this.#read(piece);
      for (const [at, text] of lines.entries()) yield* readLine(text, first + at);
    }
  }

  /** -1 when there is none. */
  #pieceOf(line: number): number {
    return this.#places.findLastIndex((place) => place.line <= line);
  }

  async #read(piece: number): Promise<{ first: number; lines: string[] }> {
    const { line: first, at } = this.#places[piece] ?? { line: 0, at: 0 };
    const end = this.#places[piece + 1]?.at ?? this.#log.end;
    try {
      const text = (await this.#log.readStored(at, end)).toString("utf8");
      return { first, lines: text.split("\n").slice(0, -1) };
    } catch (error) {
      // The chat was deleted while it was read.
      if (errnoOf(error) === "ENOENT") return { first, lines: [] };
      throw error;
    }
  }
}

/** Of one that went bad on the disk, none. */
function readLine(text: string, line: number): ImportedMessage[] {
  try {
    return [{ message: ChatMessage.parse(JSON.parse(text)), line, bytes: text.length }];
  } catch {
    return [];
  }
}

/** So many chats' pieces are remembered. */
const openMax = 64;

/** The files of imported chats that were read lately. */
export class ImportedLogs {
  readonly #open = new Map<string, Promise<ImportedLog | undefined>>();
  readonly #fileOf: (path: string) => Promise<StoredLog | undefined>;

  constructor(fileOf: (path: string) => Promise<StoredLog | undefined>) {
    this.#fileOf = fileOf;
  }

  /** Undefined when there is none. */
  at(path: string): Promise<ImportedLog | undefined> {
    const opened = this.#open.get(path) ?? this.#read(path);
    // The one that was read last goes last.
    this.#open.delete(path);
    this.#open.set(path, opened);
    const [oldest] = this.#open.keys();
    if (this.#open.size > openMax && oldest !== undefined) this.#open.delete(oldest);
    return opened;
  }

  forget(path: string): void {
    this.#open.delete(path);
  }

  #read(path: string): Promise<ImportedLog | undefined> {
    const opened = this.#fileOf(path).then((log) => log && ImportedLog.open(log));
    // A disk that could not be read may be read the next time, and a file may come.
    opened.then(
      (log) => log ?? this.forget(path),
      () => this.forget(path),
    );
    return opened;
  }
}
