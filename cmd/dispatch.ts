/** `agentd dispatch`: the sessions that a file asks for. */
import { randomUUID } from "node:crypto";
import * as z from "zod";
import type { NewSession } from "../src/client/client.ts";
import { followSession } from "../src/client/follow.ts";
import { withRetries } from "../src/client/retry.ts";
import { createSession, getSession } from "../src/client/sessions.ts";
import { dispatchSchema } from "../src/protocol/dispatch.ts";
import { messageOf } from "../src/protocol/error.ts";
import type { SessionCreated } from "../src/protocol/http.ts";
import type { EndReason } from "../src/protocol/session.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";
import { endExitCode, isFailedTurn } from "./session-end.ts";
import { readTaskFile, type TaskFile } from "./task-file.ts";

export const DispatchOptions = DaemonOptions.extend({
  config: z.string().optional(),
  server: z.string().optional(),
  wait: z.boolean().default(false),
  json: z.boolean().default(false),
  schema: z.boolean().default(false),
});
type DispatchOptions = z.infer<typeof DispatchOptions>;

/** What became of one task. */
interface Outcome {
  task: string;
  session_id?: string;
  /** The session's word once it has ended; `started` when it was not waited for, `refused` when it never was. */
  status: string;
  exit_code?: number;
  end_reason?: EndReason;
  /** How its last turn ended. */
  result?: string;
  cost_usd?: number;
  error?: string;
}

export async function dispatch(options: DispatchOptions, context: CommandContext): Promise<number> {
  const { terminal, env } = context;
  if (options.schema) {
    terminal.out(`${JSON.stringify(dispatchSchema(), undefined, 2)}\n`);
    return exitCode.ok;
  }
  if (options.config === undefined)
    throw new UsageError("Name the file with the tasks: agentd dispatch --config task.yaml");
  const file = await readTaskFile(options.config, env);
  for (const name of file.unset) terminal.note(`$${name} is not set: it is empty in what the file says`);
  const outcomes = await run(file, options, context);
  const isWell = outcomes.every(isGood);
  if (options.json) terminal.out(`${JSON.stringify({ is_well: isWell, tasks: outcomes }, undefined, 2)}\n`);
  else if (file.isList) for (const outcome of outcomes) terminal.out(lineOf(outcome));
  return isWell ? exitCode.ok : exitCode.failure;
}

/** A task that is the whole file is waited for and its log shown, as the Go client does. */
async function run(file: TaskFile, options: DispatchOptions, context: CommandContext): Promise<Outcome[]> {
  const waits = options.wait || !file.isList;
  const showsLog = !file.isList && !options.json;
  const outcomes: Promise<Outcome>[] = [];
  for (const [index, request] of file.requests.entries()) {
    const task = request.name ?? request.task_id ?? `${index + 1}`;
    const created = await start(request, options, context).catch((error: unknown) => messageOf(error));
    if (typeof created === "string") {
      context.terminal.note(`Task ${plainLine(task, 80)} was refused: ${plainLine(created, 500)}`);
      outcomes.push(Promise.resolve({ task, status: "refused", error: created }));
      continue;
    }
    const { session_id, ws_url, log_url } = created;
    context.terminal.note(
      file.isList
        ? `${plainLine(task, 80)}: session_id: ${session_id}`
        : `session_id: ${session_id}\nws_url: ${ws_url}\nlog_url: ${log_url}`,
    );
    if (request.interactive === true && waits)
      context.terminal.note(`It stays open for prompts until it is ended: agentd attach ${session_id}`);
    outcomes.push(
      waits
        ? ended({ task, sessionId: session_id, showsLog }, options, context)
        : Promise.resolve({ task, session_id, status: "started" }),
    );
  }
  return Promise.all(outcomes);
}

async function start(request: NewSession, options: DispatchOptions, context: CommandContext): Promise<SessionCreated> {
  const key = randomUUID();
  return withRetries(async () => createSession(await daemonOf(options, context), request, { key }));
}

/** Follows the log to its last line, over as many daemons as it takes. */
async function ended(
  { task, sessionId, showsLog }: { task: string; sessionId: string; showsLog: boolean },
  options: DispatchOptions,
  context: CommandContext,
): Promise<Outcome> {
  const again = () => daemonOf(options, context);
  let result: string | undefined;
  try {
    for await (const item of followSession({ sessionId, locate: again, from: 0 })) {
      if (item.type !== "lines") continue;
      if (showsLog) context.terminal.out(`${item.lines.join("\n")}\n`);
      for (const line of item.lines) if (line.startsWith('{"type":"result"')) result = statusIn(line) ?? result;
    }
    const { status, exit_code, end_reason, cost_usd } = await withRetries(async () =>
      getSession(await again(), sessionId),
    );
    return {
      task,
      session_id: sessionId,
      status,
      ...(exit_code === undefined ? {} : { exit_code }),
      ...(end_reason === undefined ? {} : { end_reason }),
      ...(result === undefined ? {} : { result }),
      ...(cost_usd === undefined ? {} : { cost_usd }),
    };
  } catch (error) {
    return { task, session_id: sessionId, status: "unknown", error: messageOf(error) };
  }
}

const ResultLine = z.object({ data: z.object({ status: z.string() }) });

function statusIn(line: string): string | undefined {
  try {
    return ResultLine.safeParse(JSON.parse(line)).data?.data.status;
  } catch {
    // It was damaged on the daemon's disk.
    return undefined;
  }
}

function isGood({ status, exit_code: code, end_reason: reason, result }: Outcome): boolean {
  if (status === "started") return true;
  return endExitCode({ code, reason }) === exitCode.ok && !isFailedTurn(result);
}

function lineOf({ task, session_id = "-", status, end_reason, result, error }: Outcome): string {
  const why = error ?? (result === undefined || result === "success" ? "" : `last turn: ${result}`);
  const word = end_reason === "stopped" ? end_reason : status;
  return `${[plainLine(task, 80), session_id, word, plainLine(why, 300)].join("  ").trimEnd()}\n`;
}

function daemonOf({ server, ...options }: DispatchOptions, { env }: CommandContext) {
  return locate({ ...options, url: server ?? options.url }, env);
}
