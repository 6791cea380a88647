/** What was said in a chat before it came here: taken from an export, and kept in a file of the chat's own. */
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { ChatExport, type ChatImportRequest, ChatMessage, ChatName } from "../protocol/chat.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import { jsonExcess } from "../protocol/json-depth.ts";
import { type StoredConfig, withoutRedacted } from "./config.ts";

export interface Imported {
  config: StoredConfig;
  messages: readonly ChatMessage[];
  /** The agent's own id of the conversation to go on with. */
  conversation: string | undefined;
}

/** Throws `invalid_request` for what is no export, naming the line. */
export function importedOf(request: z.infer<typeof ChatImportRequest>): Imported & { name: string } {
  const [first = "", ...rest] = request.export.split("\n").filter((line) => line.trim() !== "");
  const { name, config, conversation } = lineOf(first, 1, ChatExport);
  const messages = rest.map((line, index) => lineOf(line, index + 2, ChatMessage));
  return {
    name: ChatName.parse(request.name ?? name),
    config: { ...withoutRedacted(config), ...(request.work_dir === undefined ? {} : { work_dir: request.work_dir }) },
    messages,
    conversation: request.resume === true ? conversation : undefined,
  };
}

function lineOf<T>(line: string, number: number, schema: z.ZodType<T>): T {
  try {
    const excess = jsonExcess(line);
    if (excess !== undefined) throw new Error(`its JSON is ${excess}`);
    return schema.parse(JSON.parse(line));
  } catch (error) {
    const found = error instanceof z.ZodError ? z.prettifyError(error).replaceAll(/\s*\n\s*/g, " ") : messageOf(error);
    throw new AgentdError(
      "invalid_request",
      `Cannot import the chat: line ${number} is none of an export: ${found.slice(0, 300)}. Send what "agentd chat export" printed`,
    );
  }
}

/** It is on disk when this resolves, as a whole. */
export async function writeImported(path: string, messages: readonly ChatMessage[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(`${path}.tmp`, "w", 0o600);
  try {
    await file.writeFile(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
}

/** Files of imports over which a daemon died before there was a chat, or after it was gone. */
export async function sweepImported(folder: string, known: ReadonlySet<string>): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const [, chat] = /^(.+)\.ndjson(?:\.tmp)?$/.exec(name) ?? [];
    if (chat !== undefined && !known.has(chat)) await rm(join(folder, name), { force: true });
  }
}
