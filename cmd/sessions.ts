/** The commands that ask one thing of the daemon and say what came of it. */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import { tokenOf } from "../src/client/daemon-address.ts";
import { findSession } from "../src/client/find-session.ts";
import { followSession } from "../src/client/follow.ts";
import {
  deleteSession,
  getSession,
  interruptSession,
  isIdle,
  listSessions,
  say,
  stopSession,
} from "../src/client/sessions.ts";
import { dataDirOf } from "../src/config.ts";
import type { SessionView } from "../src/protocol/http.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { endExitCode, endText, howEnded } from "./session-end.ts";
import { formatSessions } from "./session-table.ts";
import { readWords } from "./words.ts";

export const ListOptions = DaemonOptions.extend({
  json: z.boolean().default(false),
  state: z.string().optional(),
  agent: z.string().optional(),
  all: z.boolean().default(false),
});

export async function list(options: z.infer<typeof ListOptions>, context: CommandContext): Promise<number> {
  const { terminal } = context;
  const address = await locate(options, context.env);
  const state = options.state ?? (options.all ? undefined : "live");
  const shown = await listSessions(address, { state, agent: options.agent });
  if (options.json) terminal.out(`${JSON.stringify(shown, undefined, 2)}\n`);
  else if (shown.length > 0) terminal.out(formatSessions(shown, { nowMs: Date.now() }));
  else
    terminal.note(state === "live" ? "No live sessions (agentd ls --all shows those that have ended)" : "No sessions");
  return exitCode.ok;
}

export const StopOptions = DaemonOptions.extend({ drain: z.boolean().default(false) });

export async function stop(
  typedId: string,
  options: z.infer<typeof StopOptions>,
  context: CommandContext,
): Promise<number> {
  const address = await locate(options, context.env);
  const id = await findSession(address, typedId);
  const view = await stopSession(address, id, options.drain ? "drain" : "now");
  context.terminal.note(stoppedLine(id, view, options));
  return exitCode.ok;
}

export async function remove(typedId: string, options: DaemonOptions, context: CommandContext): Promise<number> {
  const address = await locate(options, context.env);
  const id = await findSession(address, typedId);
  await deleteSession(address, id);
  context.terminal.note(`Removed session ${id}; its log stays: agentd logs ${id}`);
  return exitCode.ok;
}

/** A stop is under way when it is answered. */
function stoppedLine(
  id: string,
  { ended_at, exit_code, end_reason }: SessionView,
  { drain }: z.infer<typeof StopOptions>,
): string {
  if (ended_at !== undefined) return `Nothing to stop. ${endText(id, { code: exit_code, reason: end_reason })}`;
  const what = drain ? "ends when its queued turns are done" : "is being stopped";
  return `Session ${id} ${what}. Wait for its end with: agentd wait ${id}`;
}

/** Exits as `attach` does, however long it takes. */
export async function wait(
  typedId: string,
  options: DaemonOptions,
  { env, terminal }: CommandContext,
): Promise<number> {
  const findAgain = () => locate(options, env);
  const address = await findAgain();
  const sessionId = await findSession(address, typedId);
  for await (const item of followSession({ sessionId, locate: findAgain, from: "end" })) {
    if (item.type !== "exit") continue;
    const end = await howEnded(item.exitCode, { sessionId, locate: findAgain, note: terminal.note });
    terminal.note(endText(sessionId, end));
    return endExitCode(end);
  }
  throw new Error(`Cannot wait for session ${sessionId}: its log ended without an exit`);
}

export interface Words {
  kind: "prompt" | "steer";
  typedId: string;
  words: readonly string[];
}

export async function speak(
  { kind, typedId, words }: Words,
  options: DaemonOptions,
  context: CommandContext,
): Promise<number> {
  const text = await readWords(words);
  if (text.trim() === "") throw new UsageError(`A ${kind} needs a text`);
  const address = await locate(options, context.env);
  const id = await findSession(address, typedId);
  const before = kind === "steer" ? await getSession(address, id) : undefined;
  const accepted = await say(address, { id, kind, text, key: randomUUID() });
  // What joins the running turn has that turn's id.
  const isPrompt = before !== undefined && isIdle(before) && accepted.turn_id !== before.turn_id;
  const where = accepted.position === 0 ? "" : `, number ${accepted.position} in line`;
  const asTurn = `ccepted as turn ${accepted.turn_id}${where}`;
  context.terminal.note(isPrompt ? `Nothing ran to be steered, so it is a prompt: a${asTurn}` : `A${asTurn}`);
  return exitCode.ok;
}

export async function interrupt(typedId: string, options: DaemonOptions, context: CommandContext): Promise<number> {
  const address = await locate(options, context.env);
  const id = await findSession(address, typedId);
  if (isIdle(await getSession(address, id))) {
    context.terminal.note(`Nothing runs in session ${id}: there is nothing to interrupt`);
    return exitCode.ok;
  }
  await interruptSession(address, id);
  context.terminal.note(`Interrupting the running turn of session ${id}`);
  return exitCode.ok;
}

export async function printToken(options: DaemonOptions, context: CommandContext): Promise<number> {
  const dataDir = dataDirOf(options.dataDir, context.env);
  const token = await tokenOf({ url: options.url, port: options.port, dataDir, env: context.env });
  if (token === undefined)
    throw new Error(`There is no token in ${dataDir} yet: the daemon makes it at its first start ("agentd serve")`);
  context.terminal.out(`${token}\n`);
  return exitCode.ok;
}
