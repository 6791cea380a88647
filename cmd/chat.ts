/** `agentd chat create|send|history|export|import|list|delete`. */
import { randomUUID } from "node:crypto";
import path from "node:path";
import * as z from "zod";
import { heirOf, untilBegun } from "../src/client/chat-handle.ts";
import {
  createChat,
  deleteChat,
  exportChat,
  importChat,
  listChats,
  readChat,
  sendToChat,
} from "../src/client/chats.ts";
import { withRetries } from "../src/client/retry.ts";
import type { ChatListed, ChatMessage } from "../src/protocol/chat.ts";
import { defined } from "../src/protocol/defined.ts";
import { leave } from "./attach.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";
import { Renderer } from "./render.ts";
import { watchSession } from "./watch.ts";
import { readWords } from "./words.ts";
import { readText, readYaml } from "./yaml-file.ts";

export const CreateChatOptions = DaemonOptions.extend({
  config: z.string().optional(),
  agent: z.string().optional(),
  runtime: z.string().optional(),
  model: z.string().optional(),
  effort: z.string().optional(),
  workDir: z.string().optional(),
  idleTimeout: z.string().optional(),
});

export async function makeChat(
  name: string,
  options: z.infer<typeof CreateChatOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const typed = configOf(options);
  if (options.config !== undefined && Object.keys(typed).length > 0)
    throw new UsageError("Cannot use --config with options of the configuration: write them into the file");
  if (options.config === undefined && options.agent === undefined)
    throw new UsageError("A chat needs an agent: agentd chat create NAME --agent claude, or --config FILE");
  const config = options.config === undefined ? typed : await readYaml(options.config);
  const address = await locate(options, env);
  const key = randomUUID();
  await withRetries(() => createChat(address, { name, config }, { key }));
  terminal.note(`Created chat "${name}"`);
  return exitCode.ok;
}

function configOf({ agent, runtime, model, effort, workDir, idleTimeout }: z.infer<typeof CreateChatOptions>) {
  return defined({
    agent,
    runtime,
    model,
    effort,
    idle_timeout: idleTimeout,
    work_dir: workDir === undefined ? undefined : path.resolve(workDir),
  });
}

export const SendOptions = DaemonOptions.extend({
  follow: z.boolean().default(false),
  json: z.boolean().default(false),
});

export async function sendMessage(
  { name, words }: { name: string; words: readonly string[] },
  options: z.infer<typeof SendOptions>,
  context: CommandContext,
): Promise<number> {
  const { env, terminal } = context;
  const message = await readWords(words);
  if (message.trim() === "") throw new UsageError('Say something: agentd chat send NAME "And now?"');
  const address = await locate(options, env);
  const key = randomUUID();
  const { session_id, next_session, state } = await withRetries(() => sendToChat(address, { name, message, key }));
  const sessionId = next_session ?? session_id;
  terminal.note(
    `session=${sessionId} state=${state}${next_session === undefined ? "" : " (it waits for the one before)"}`,
  );
  if (options.follow) return followMessage({ name, sessionId }, options, context);
  terminal.note(`Watch it with: agentd chat attach ${name}`);
  return exitCode.ok;
}

/** The session that answers, to its end; and the one behind it, when it ended before its agent was given the message. */
async function followMessage(
  { name, sessionId: first }: { name: string; sessionId: string },
  options: z.infer<typeof SendOptions>,
  context: CommandContext,
): Promise<number> {
  const { env, terminal } = context;
  const again = () => locate(options, env);
  for (let sessionId = first; ; ) {
    await untilBegun(again, { name, sessionId });
    const end = await watchSession({
      sessionId,
      locate: again,
      from: 0,
      isJson: options.json,
      // A message in a script must not eat the script's stdin.
      input: "signals",
      terminal,
    });
    const heir = end.type === "exit" ? await heirOf(again, { name, sessionId, status: end.lastResult }) : undefined;
    if (heir === undefined) return leave(end, { sessionId, locate: again, isJson: options.json }, context);
    terminal.note(`No agent was given the message in session ${sessionId}: it went on into session ${heir}`);
    sessionId = heir;
  }
}

export const HistoryOptions = DaemonOptions.extend({ last: z.number().optional(), json: z.boolean().default(false) });

const pageMax = 500;

export async function showHistory(
  name: string,
  options: z.infer<typeof HistoryOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const address = await locate(options, env);
  const pages: ChatMessage[][] = [];
  let wanted = options.last ?? Number.POSITIVE_INFINITY;
  for (let before: number | undefined; wanted > 0; ) {
    const page = await readChat(address, { name, limit: Math.min(wanted, pageMax), before });
    pages.unshift(page.messages);
    wanted -= page.total;
    if (!page.has_more || page.before === undefined) break;
    before = page.before;
  }
  const renderer = new Renderer({ colour: terminal.colour, sessionId: name });
  for (const message of pages.flat())
    terminal.out(options.json ? `${JSON.stringify(message)}\n` : renderer.value(message));
  terminal.out(renderer.flush());
  return exitCode.ok;
}

export async function exportHere(name: string, options: DaemonOptions, context: CommandContext): Promise<number> {
  const { body } = await exportChat(await locate(options, context.env), name);
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) context.terminal.out(decoder.decode(chunk, { stream: true }));
  return exitCode.ok;
}

export const ImportOptions = DaemonOptions.extend({
  name: z.string().optional(),
  workDir: z.string().optional(),
  resume: z.boolean().default(false),
});

export async function importHere(
  file: string,
  { name, workDir, resume, ...options }: z.infer<typeof ImportOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const exported = await readText(file);
  const imported = { export: exported, resume, ...defined({ name, work_dir: workDir && path.resolve(workDir) }) };
  const address = await locate(options, env);
  const key = randomUUID();
  const chat = await withRetries(() => importChat(address, imported, { key }));
  terminal.note(`Created chat "${chat.name}"`);
  return exitCode.ok;
}

export const ListChatsOptions = DaemonOptions.extend({ json: z.boolean().default(false) });

export async function showChats(
  options: z.infer<typeof ListChatsOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  const chats = await listChats(await locate(options, env));
  if (options.json) terminal.out(`${JSON.stringify(chats, undefined, 2)}\n`);
  else if (chats.length === 0) terminal.note('No chats. "agentd chat create" makes one');
  else terminal.out(tableOf(chats));
  return exitCode.ok;
}

export const DeleteChatOptions = DaemonOptions.extend({ removeVolume: z.boolean().default(false) });

export async function dropChat(
  name: string,
  options: z.infer<typeof DeleteChatOptions>,
  { env, terminal }: CommandContext,
): Promise<number> {
  await deleteChat(await locate(options, env), { name, withSessions: options.removeVolume });
  terminal.note(`Deleted chat "${name}"`);
  return exitCode.ok;
}

const header = ["NAME", "STATE", "AGENT", "SESSIONS", "LAST ACTIVE"];

function tableOf(chats: readonly ChatListed[]): string {
  const rows = [header, ...chats.map(rowOf)];
  const widths = header.map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  const lines = rows.map((cells) => cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

function rowOf({ name, state, agent, session_count, last_active_at }: ChatListed): string[] {
  return [
    name,
    state,
    plainLine(agent, 24),
    String(session_count),
    last_active_at === undefined ? "-" : dayOf(last_active_at),
  ];
}

/** `YYYY-MM-DD HH:MM`, in the time of whoever reads it. */
function dayOf(iso: string): string {
  const at = new Date(iso);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}
