/** Context and mentions as text blocks that ride in front of the next message. The wording is that of Claude Code (2.1.329), and serves every agent. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import type { ContextItem, MentionItem } from "../src/protocol/command.ts";
import { AgentdError, errnoOf, messageOf } from "../src/protocol/error.ts";

const mentionBytesMax = 256 * 1024;
const pendingMax = 100;
const pendingCharactersMax = 4 * 1024 * 1024;

/** Blocks that wait for the next message. */
export class PendingContext {
  #blocks: string[] = [];

  /** Throws when too much waits. */
  add(block: string): void {
    const characters = this.#blocks.reduce((sum, waiting) => sum + waiting.length, block.length);
    if (this.#blocks.length >= pendingMax || characters > pendingCharactersMax) {
      throw new Error(
        `Cannot keep more context: ${this.#blocks.length} pieces wait already; send a prompt to pass them on`,
      );
    }
    this.#blocks.push(block);
  }

  take(): string[] {
    const taken = this.#blocks;
    this.#blocks = [];
    return taken;
  }

  /** Puts back what could not be sent. */
  restore(blocks: readonly string[]): void {
    this.#blocks = [...blocks, ...this.#blocks];
  }
}

const relevance = "This may or may not be related to the current task.";

export function contextBlock({ text, filePath }: ContextItem): string {
  if (text === undefined && filePath === undefined)
    throw new Error("Cannot add context: it has neither text nor file_path");
  if (text === undefined) return `The user opened the file ${filePath} in the IDE. ${relevance}`;
  const where = filePath === undefined ? "The user selected this text" : `The user selected this text from ${filePath}`;
  return `${where}:\n${text}\n\n${relevance}`;
}

/** Reads the file, so that the agent gets the lines as they are now. Throws `invalid_request` with a sentence for people when it cannot. */
export function mentionBlock(item: MentionItem, workDir: string): string {
  const path = resolve(workDir, item.filePath);
  const fail = (found: string) => new AgentdError("invalid_request", `Cannot mention ${path}: ${found}`);
  const lines = readText(path, fail).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const from = item.lineStart ?? 1;
  const to = Math.min(item.lineEnd ?? (item.lineStart === undefined ? lines.length : from), lines.length);
  if (item.lineEnd !== undefined && item.lineEnd < from) throw fail(`line ${item.lineEnd} comes before line ${from}`);
  if (from > Math.max(1, lines.length)) throw fail(`it has ${lines.length} lines, and line ${from} was asked for`);
  const text = lines.slice(from - 1, to).join("\n");
  const range =
    item.lineStart === undefined && item.lineEnd === undefined ? "the file" : `the lines ${from} to ${to} from`;
  return `The user mentioned ${range} ${path}:\n${text}\n\n${relevance}`;
}

function readText(path: string, fail: (found: string) => Error): string {
  let file: number | undefined;
  try {
    // Without waiting: a fifo would hold the whole sidecar until somebody writes to it.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const found = fstatSync(file);
    if (!found.isFile()) throw fail("it is not a regular file");
    // Files of the system say that they are empty, and some never end.
    const bytes = found.size > mentionBytesMax ? undefined : readBytes(file, mentionBytesMax + 1);
    if (bytes === undefined || bytes.length > mentionBytesMax) {
      const size = Math.max(found.size, bytes?.length ?? 0);
      throw fail(
        `it has ${size} bytes or more and ${mentionBytesMax} can be passed on; let the agent read it by itself`,
      );
    }
    return bytes.toString("utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    if (errno === "EAGAIN") throw fail("it has no end that could be read now");
    if (errno === "ENXIO") throw fail("it is not a regular file");
    throw fail(errno === "ENOENT" ? "there is no such file" : messageOf(error));
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The file's first bytes, at most so many. */
function readBytes(file: number, bytesMax: number): Buffer {
  const bytes = Buffer.alloc(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const count = readSync(file, bytes, length, bytesMax - length, null);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
