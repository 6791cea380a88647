/** Context and mentions as text blocks that ride in front of the next message. The wording is that of Claude Code (2.1.329), and serves every agent. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { ContextItem, MentionItem } from "../src/protocol/command.ts";
import { errnoOf, messageOf } from "../src/protocol/error.ts";

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

/** Reads the file, so that the agent gets the lines as they are now. Throws a sentence for people when it cannot. */
export function mentionBlock(item: MentionItem, workDir: string): string {
  const path = resolve(workDir, item.filePath);
  const fail = (found: string) => new Error(`Cannot mention ${path}: ${found}`);
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
  try {
    const found = statSync(path);
    // A fifo would hold the whole sidecar until somebody writes to it.
    if (!found.isFile()) throw fail("it is not a regular file");
    if (found.size > mentionBytesMax) {
      throw fail(`it has ${found.size} bytes and ${mentionBytesMax} can be passed on; let the agent read it by itself`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    throw fail(errnoOf(error) === "ENOENT" ? "there is no such file" : messageOf(error));
  }
}
