/** The words typed so far → what the next one may be. Pure: it reads the tree of the commands and nothing else. */
import type { Command, Option } from "commander";
import { choicesOf } from "./option-values.ts";

export interface Completion {
  value: string;
  description: string;
}

export type Wanted =
  | { type: "words"; words: Completion[] }
  | { type: "files" }
  | { type: "dirs" }
  /** `lead` stands before each: `--resume=`. `options`: the daemon that was named. */
  | { type: "sessions"; prefix: string; lead: string; isLive: boolean; options: NamedDaemon };

interface NamedDaemon {
  url?: string;
  port?: number;
  dataDir?: string;
}

/** Of these an ended session is nothing to name. */
const liveOnly = new Set(["attach", "prompt", "steer", "interrupt", "stop", "wait", "inputs", "approve", "deny"]);

/** The last word is the one that is being typed, and may be empty. */
export function complete(program: Command, typed: readonly string[]): Wanted {
  // Bash makes three words of `--state=run`.
  const words = typed.filter((word, i) => word !== "=" || !typed[i - 1]?.startsWith("--"));
  const current = words.at(-1) === "=" ? "" : (words.at(-1) ?? "");
  const walked = walk(program, words.slice(0, -1));
  if (walked.valueOf) return valuesOf(walked.valueOf, { ...walked, prefix: current, lead: "" });
  const withValue = /^(--[\w-]+)=(.*)$/s.exec(current);
  if (withValue) {
    const [, name = "", prefix = ""] = withValue;
    const option = walked.command.options.find(({ long }) => long === name);
    return option ? valuesOf(option, { ...walked, prefix, lead: `${name}=` }) : { type: "words", words: [] };
  }
  if (current.startsWith("-") && !walked.isOnlyArguments) return matching(current, optionsOf(walked.command));
  return argumentsOf(walked, current);
}

interface Walked {
  command: Command;
  /** Arguments of the command that are there already. */
  given: number;
  /** The option whose value comes next. */
  valueOf: Option | undefined;
  isOnlyArguments: boolean;
  daemon: NamedDaemon;
}

function walk(program: Command, words: readonly string[]): Walked {
  const walked: Walked = { command: program, given: 0, valueOf: undefined, isOnlyArguments: false, daemon: {} };
  for (const word of words) {
    if (walked.valueOf) {
      noteDaemon(walked.daemon, walked.valueOf, word);
      walked.valueOf = undefined;
    } else if (word === "--") walked.isOnlyArguments = true;
    else if (word.startsWith("-") && word !== "-" && !walked.isOnlyArguments) passOption(walked, word);
    else {
      const next = walked.given === 0 ? walked.command.commands.find((each) => each.name() === word) : undefined;
      if (next) walked.command = next;
      else walked.given++;
    }
  }
  return walked;
}

function passOption(walked: Walked, word: string): void {
  const [name = "", value] = word.split(/=(.*)/s);
  const option = walked.command.options.find(({ long, short }) => long === name || short === name);
  if (!option?.required) return;
  if (value === undefined) walked.valueOf = option;
  else noteDaemon(walked.daemon, option, value);
}

function noteDaemon(daemon: NamedDaemon, { long }: Option, value: string): void {
  if (value === "") return;
  if (long === "--url") daemon.url = value;
  if (long === "--data-dir") daemon.dataDir = value;
  if (long === "--port" && /^\d{1,5}$/.test(value)) daemon.port = Number(value);
}

function valuesOf(option: Option, at: Walked & { prefix: string; lead: string }): Wanted {
  const { prefix, lead } = at;
  const choices = option.argChoices ?? choicesOf(option.parseArg);
  if (choices)
    return matching(
      lead + prefix,
      choices.map((value) => ({ value: lead + value, description: "" })),
    );
  if (option.flags.includes("<dir>")) return { type: "dirs" };
  if (option.flags.includes("<file>")) return { type: "files" };
  if (option.flags.includes("<session>")) return { type: "sessions", prefix, lead, isLive: false, options: at.daemon };
  return { type: "words", words: [] };
}

function argumentsOf({ command, given, daemon }: Walked, current: string): Wanted {
  if (given === 0 && command.commands.length > 0) {
    const shown = command.createHelp().visibleCommands(command);
    return matching(
      current,
      shown.map((each) => ({ value: each.name(), description: each.description() })),
    );
  }
  const declared = command.registeredArguments;
  const argument = declared[given] ?? (declared.at(-1)?.variadic ? declared.at(-1) : undefined);
  if (argument?.name() === "session")
    return { type: "sessions", prefix: current, lead: "", isLive: liveOnly.has(command.name()), options: daemon };
  return matching(
    current,
    (argument?.argChoices ?? []).map((value) => ({ value, description: "" })),
  );
}

function optionsOf(command: Command): Completion[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description }) => (long ? [{ value: long, description }] : []));
}

function matching(prefix: string, all: readonly Completion[]): Wanted {
  return { type: "words", words: all.filter(({ value }) => value.startsWith(prefix)) };
}
