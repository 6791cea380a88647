/** `agentd run`: a session from the command line, on whatever daemon there is, or on one started for it. */
import { randomUUID } from "node:crypto";
import path from "node:path";
import * as z from "zod";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/address.ts";
import type { Environment } from "../src/client/daemon-address.ts";
import { findSession } from "../src/client/find-session.ts";
import { createSession, getSession, interruptSession } from "../src/client/sessions.ts";
import { dataDirOf } from "../src/config.ts";
import { AgentdError, messageOf } from "../src/protocol/error.ts";
import type { SessionCreated, SessionRequest } from "../src/protocol/http.ts";
import { withAdvice } from "./advice.ts";
import { leave, leaveView, waysOut } from "./attach.ts";
import { type CommandContext, DaemonOptions, locate } from "./client-options.ts";
import { hearInterrupt } from "./early-interrupt.ts";
import { endProcess } from "./end-process.ts";
import { exitCode, UsageError } from "./exit-code.ts";
import { plainLine, plainText } from "./plain-text.ts";
import { screenFor } from "./screen.ts";
import { isFailedTurn } from "./session-end.ts";
import { findAnswering, startDetachedDaemon } from "./start-daemon.ts";
import type { Terminal } from "./terminal.ts";
import { longestShown } from "./typed-acts.ts";
import { type ViewOptions, viewSession } from "./view/view-session.ts";
import { type WatchEnd, watchSession } from "./watch.ts";
import { readWords } from "./words.ts";

export const RunOptions = DaemonOptions.extend({
  agent: z.string().optional(),
  workDir: z.string().optional(),
  resume: z.string().optional(),
  model: z.string().optional(),
  name: z.string().optional(),
  interactive: z.boolean().default(false),
  env: z.array(z.string()).default([]),
  trustWorkspace: z.boolean().default(false),
  ask: z.boolean().default(false),
  timeout: z.string().optional(),
  json: z.boolean().default(false),
  plain: z.boolean().default(false),
});
export type RunOptions = z.infer<typeof RunOptions>;

/** What is asked for, but for what an earlier session may decide. */
type SessionWish = Omit<z.input<typeof SessionRequest>, "agent" | "work_dir" | "resume_session">;

export async function run(words: readonly string[], options: RunOptions, context: CommandContext): Promise<number> {
  const { terminal, env } = context;
  const request = await readRequest(words, options, env);
  const early = hearInterrupt(terminal, () => {
    terminal.note("Left: the session that was asked for may run all the same, agentd ls shows it");
    endProcess(exitCode.failure);
  });
  const { session_id: sessionId, agent, runtime } = await create(request, options, context);
  terminal.note(`Session ${sessionId}`);
  const starting = startingWords({ agent, runtime });
  const watched = { sessionId, locate: () => locate(options, env), from: 0 };
  const left = { sessionId, locate: watched.locate, isJson: options.json };
  const screen = await screenFor(terminal, options);
  if (early.isHeard) await interruptBegun(watched, terminal);
  early.stop();
  const end = screen
    ? await view({ ...watched, screen, notes: [starting, waysOut(sessionId)] }, options, context)
    : await watchSession({
        ...watched,
        isJson: options.json,
        // A one-shot session in a script must not eat the script's stdin.
        input: options.interactive || process.stdin.isTTY ? "lines" : "signals",
        // Nobody else knows the session yet: without its script it would wait for prompts for ever.
        atInputEnd: "drain",
        waitingFor: starting,
        terminal,
      });
  const code = await (screen && options.interactive ? leaveView(end, left, context) : leave(end, left, context));
  const hasFailed = end.type === "exit" && isFailedTurn(end.lastResult);
  return code === exitCode.ok && hasFailed ? exitCode.failure : code;
}

/** What is waited for until the session's first line. A container takes longest. */
export function startingWords({ agent, runtime }: Pick<SessionCreated, "agent" | "runtime">): string {
  return `Starting ${plainLine(agent, 80)}${runtime === "docker" ? " in a container" : ""}`;
}

/** What came of the session is told by whoever watches it, also when it has ended by itself before it could be interrupted. */
async function interruptBegun(
  { sessionId, locate }: Pick<ViewOptions, "sessionId" | "locate">,
  { note }: Terminal,
): Promise<void> {
  try {
    await interruptSession(await locate(), sessionId);
  } catch (error) {
    if (error instanceof AgentdError && error.code === "session_ended") return;
    note(`Not interrupted: ${plainLine(withAdvice(error, { sessionId }), longestShown)}`);
  }
}

/** One that takes no more prompts is left with its end, as a script on a terminal needs it; then its lines stay there to be read. */
async function view(
  watched: Omit<ViewOptions, "colour">,
  { interactive }: RunOptions,
  { terminal }: CommandContext,
): Promise<WatchEnd> {
  const { screen, sessionId, locate, from } = watched;
  const end = await viewSession({ ...watched, colour: terminal.colour, isLeftAtEnd: !interactive }).finally(
    screen.close,
  );
  if (end.type === "exit" && !interactive)
    // The daemon may have gone with its last session: how that one ended is known all the same.
    await watchSession({ sessionId, locate, from, isJson: false, input: "none", terminal }).catch((error) =>
      terminal.note(plainText(`agentd: ${messageOf(error)}`)),
    );
  return end;
}

async function readRequest(words: readonly string[], options: RunOptions, env: Environment): Promise<SessionWish> {
  const prompt = words.length === 0 ? undefined : await readWords(words);
  if (isBlank(prompt) && (words.length > 0 || !options.interactive)) {
    throw new UsageError('A session needs a prompt: agentd run "Fix the failing test", or -i to type prompts later');
  }
  return {
    interactive: options.interactive,
    trust_workspace: options.trustWorkspace,
    env: Object.fromEntries(options.env.map((setting) => readSetting(setting, env))),
    ...(prompt === undefined ? {} : { prompt }),
    ...(options.model === undefined ? {} : { model: options.model }),
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.ask ? { permission_mode: "interactive" } : {}),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
  };
}

function isBlank(prompt: string | undefined): boolean {
  return prompt === undefined || prompt.trim() === "";
}

/** The agent and its folder; a session that is resumed has both already, and its conversation belongs to them. */
async function place(address: DaemonAddress, options: RunOptions) {
  const resumed = options.resume === undefined ? undefined : await findResumed(address, options.resume);
  const folder = options.workDir ?? resumed?.work_dir ?? ".";
  return {
    agent: options.agent ?? resumed?.agent ?? "claude",
    work_dir: path.resolve(folder),
    ...(options.resume === undefined ? {} : { resume_session: resumed?.session_id ?? options.resume }),
  };
}

/** Undefined for what is none of the listed sessions: it may be the agent's own id. */
async function findResumed(address: DaemonAddress, typed: string) {
  try {
    return await getSession(address, await findSession(address, typed));
  } catch (error) {
    if (error instanceof AgentdError && error.code === "session_not_found") return undefined;
    throw error;
  }
}

/** `K=V`, or `K` for the value it has here. */
function readSetting(setting: string, env: Environment): [string, string] {
  const at = setting.indexOf("=");
  if (at > 0) return [setting.slice(0, at), setting.slice(at + 1)];
  const value = at === -1 ? env[setting] : undefined;
  if (value === undefined)
    throw new UsageError(`Cannot use --env ${JSON.stringify(setting)}: expected KEY=VALUE, or a KEY that is set here`);
  return [setting, value];
}

async function create(request: SessionWish, options: RunOptions, context: CommandContext) {
  const key = randomUUID();
  const create = async () => {
    const address = await ensureDaemon(options, context);
    return createSession(address, { ...request, ...(await place(address, options)) }, { key });
  };
  try {
    return await create();
  } catch (error) {
    // One that was about to leave when we came answers no more: the next try finds or starts another.
    if (error instanceof DaemonUnreachable && !error.named) return create();
    throw error;
  }
}

async function ensureDaemon(options: RunOptions, context: CommandContext): Promise<DaemonAddress> {
  const { env, terminal } = context;
  // Who names a daemon means that one.
  if (options.url || options.port !== undefined || env["AGENTD_URL"]) return locate(options, env);
  const dataDir = dataDirOf(options.dataDir, env);
  return (await findAnswering({ dataDir, env })) ?? startDetachedDaemon({ dataDir, env, note: terminal.note });
}
