/** Watching a session from a terminal: events out, while the keyboard is listened to; used by `attach`, `run` and `logs -f`. */
import type { DaemonAddress } from "../src/client/address.ts";
import { type FollowItem, followSession } from "../src/client/follow.ts";
import { advised } from "./advice.ts";
import { Away } from "./away.ts";
import { paintColours, paintNothing } from "./event-text.ts";
import { inputRequiredText } from "./input-text.ts";
import { type Keyboard, listen } from "./keyboard.ts";
import { OpenQuestions } from "./open-questions.ts";
import { OwnWords } from "./own-words.ts";
import { plainLine } from "./plain-text.ts";
import { Renderer } from "./render.ts";
import { brokenOff, ShownEnd } from "./shown-end.ts";
import type { Terminal } from "./terminal.ts";
import { longestShown } from "./typed-acts.ts";

export interface WatchOptions {
  sessionId: string;
  locate: () => Promise<DaemonAddress>;
  from: number | "end";
  /** Raw log lines instead of readable text. */
  isJson: boolean;
  input: Keyboard["input"];
  /** `watch` when absent. */
  atInputEnd?: Keyboard["atInputEnd"];
  terminal: Terminal;
  /** Said while a session that has just begun has nothing to show. */
  waitingFor?: string;
}

export type Detached = { type: "detached"; offset: number };
export type WatchEnd = { type: "exit"; exitCode: number; lastResult: string | undefined } | Detached;

/** Resolves when the session has ended or the person has left. */
export async function watchSession(options: WatchOptions): Promise<WatchEnd> {
  const { terminal, sessionId, locate, from } = options;
  const leave = new AbortController();
  const follower = followSession({ sessionId, locate, from, signal: leave.signal });
  const ownWords = new OwnWords();
  const questions = new OpenQuestions();
  const keyboard = listen({
    sessionId,
    locate,
    terminal,
    note: terminal.note,
    input: options.input,
    atInputEnd: options.atInputEnd ?? "watch",
    ownWords,
    questions,
    leave: () => leave.abort(),
  });
  const renderer = new Renderer({ colour: terminal.colour, sessionId });
  // What is typed on a terminal stands there already; in a file it would be missing.
  const isShown = process.stdin.isTTY && process.stdout.isTTY ? (line: string) => !ownWords.includes(line) : () => true;
  const logEnd = new ShownEnd();
  const away = new Away();
  let lastResult: string | undefined;
  const progress = options.waitingFor === undefined ? undefined : terminal.progress();
  progress?.say(options.waitingFor ?? "");
  try {
    for await (const item of follower) {
      if (item.type !== "connected") progress?.end();
      if (item.type === "exit") {
        terminal.out(renderer.flush());
        if (logEnd.isMissing) terminal.note(brokenOff(item.exitCode));
        return { type: "exit", exitCode: item.exitCode, lastResult };
      }
      if (item.type === "lines") {
        lastResult = statusOfLastResult(item.lines) ?? lastResult;
        logEnd.note(item.lines);
        const news = item.lines.filter((line) => questions.note(line));
        terminal.out(
          options.isJson
            ? `${item.lines.join("\n")}\n`
            : news.map((line) => (isShown(line) ? renderer.line(line) : "")).join(""),
        );
        keyboard.adjust();
      } else if (item.type === "input") {
        const isNews = questions.add(item.input);
        if (isNews && !options.isJson) {
          const paint = terminal.colour ? paintColours : paintNothing;
          terminal.out(renderer.flush() + inputRequiredText(item.input, paint));
        }
        keyboard.adjust();
      } else {
        const text = remark(item, { sessionId, away });
        if (text === undefined) continue;
        if (!options.isJson) terminal.out(renderer.flush());
        terminal.note(text);
      }
    }
    terminal.out(renderer.flush());
    return { type: "detached", offset: follower.offset };
  } finally {
    progress?.end();
    keyboard.stop();
    leave.abort();
  }
}

export type Remarkable = Exclude<FollowItem, { type: "lines" | "input" | "exit" }>;

/** What is said about an item besides its lines, if anything. */
export function remark(item: Remarkable, { sessionId, away }: { sessionId: string; away: Away }): string | undefined {
  switch (item.type) {
    case "connected":
      return away.back();
    case "accepted":
      return undefined;
    case "gap":
      return `The log no longer has offsets ${item.from} to ${item.start}: it begins at ${item.start}`;
    case "refused":
      return `The daemon refused (${plainLine(item.code, 50)}): ${plainLine(advised(item, sessionId), longestShown)}`;
    case "paused":
      return item.isPaused
        ? `The daemon has paused the session: ${plainLine(item.reason, longestShown)}`
        : "The session goes on";
    case "disconnected":
      // The daemon may be away for minutes, and is asked every few seconds.
      return away.failed(plainLine(item.reason, longestShown), performance.now());
    default:
      return item satisfies never;
  }
}

const resultStart = '{"type":"result"';

export function statusOfLastResult(lines: readonly string[]): string | undefined {
  const line = lines.findLast((candidate) => candidate.startsWith(resultStart));
  return line === undefined ? undefined : /"status":"([a-z]+)"/.exec(line)?.[1];
}
