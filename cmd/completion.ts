/**
 * `agentd completion`: what a shell loads, and what it then asks for at each Tab. The tree of the commands is the source:
 * the scripts know nothing but how to ask `agentd complete -- WORDS`.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { listSessions } from "../src/client/sessions.ts";
import type { SessionView } from "../src/protocol/http.ts";
import { type CommandContext, locate } from "./client-options.ts";
import { type Completion, complete, type Wanted } from "./complete-words.ts";
import { shellScripts } from "./completion-scripts.ts";
import { exitCode } from "./exit-code.ts";
import { plainLine } from "./plain-text.ts";

/** A Tab that nobody answers is no reason to wait. */
const askMsMax = 1500;
const sessionsMax = 200;
const descriptionCharsMax = 60;

export type Shell = keyof typeof shellScripts;

export function printCompletion(shell: Shell, { terminal }: CommandContext): number {
  terminal.out(shellScripts[shell]);
  return exitCode.ok;
}

/** A candidate a line, its description behind a tab; `:files` or `:dirs` where the shell knows better. Never fails. */
export async function printCandidates(
  words: readonly string[],
  program: Command,
  context: CommandContext,
): Promise<number> {
  const wanted = complete(program, words);
  const found = wanted.type === "sessions" ? await sessionCandidates(wanted, context) : candidatesOf(wanted);
  const lines = found.map(({ value, description }) => `${value}\t${plainLine(description, descriptionCharsMax)}\n`);
  context.terminal.out(lines.join(""));
  return exitCode.ok;
}

function candidatesOf(wanted: Exclude<Wanted, { type: "sessions" }>): readonly Completion[] {
  if (wanted.type === "words") return wanted.words;
  return [{ value: wanted.type === "files" ? ":files" : ":dirs", description: "" }];
}

async function sessionCandidates(
  { prefix, lead, isLive, options }: Extract<Wanted, { type: "sessions" }>,
  { env }: CommandContext,
): Promise<Completion[]> {
  const asked = locate(options, env).then((address) => listSessions(address, isLive ? { state: "live" } : {}));
  const views = await Promise.race([asked.catch(() => []), delay(askMsMax, [] as SessionView[], { ref: false })]);
  return views
    .slice(0, sessionsMax)
    .flatMap(({ session_id, name, agent, status }) => {
      // A name that a shell would read otherwise is left to the id.
      const isPlain = name !== undefined && /^[A-Za-z0-9][\w.-]*$/.test(name);
      const about = `${agent}, ${status}`;
      return [
        ...(isPlain ? [{ value: name, description: about }] : []),
        { value: session_id, description: name === undefined ? about : `${name}: ${about}` },
      ];
    })
    .filter(({ value }) => value.startsWith(prefix))
    .map(({ value, description }) => ({ value: lead + value, description }));
}
