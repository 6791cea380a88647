/** Watching a session from a terminal: events out, typed lines in, Ctrl+C; used by `attach`, `run` and `logs -f`. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/daemon-address.ts";
import { type Follower, type FollowItem, followSession } from "../src/client/follow.ts";
import { answerInput, say } from "../src/client/sessions.ts";
import type { InputAnswer } from "../src/protocol/command.ts";
import { messageOf } from "../src/protocol/error.ts";
import { paintColours, paintNothing } from "./event-text.ts";
import { inputRequiredText } from "./input-text.ts";
import { OpenQuestions, readAnswer } from "./open-questions.ts";
import { plainLine, plainText } from "./plain-text.ts";
import { Renderer } from "./render.ts";
import type { Terminal } from "./terminal.ts";
import { openTypedInput } from "./typed-input.ts";
import { readTyped, type Typed } from "./typed-line.ts";

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
}

export type WatchEnd =
  | { type: "exit"; exitCode: number; lastResult: string | undefined }
  | { type: "detached"; offset: number };

/** Resolves when the session has ended or the person has left. */
export async function watchSession(options: WatchOptions): Promise<WatchEnd> {
  const { terminal, sessionId, locate, from } = options;
  const leave = new AbortController();
  const follower = followSession({ sessionId, locate, from, signal: leave.signal });
  const questions = new OpenQuestions();
  const input = startInput(options, { follower, questions, leave: () => leave.abort() });
  const renderer = new Renderer({ colour: terminal.colour });
  // What is typed on a terminal stands there already; in a file it would be missing.
  const isShown = process.stdin.isTTY && process.stdout.isTTY ? (line: string) => !ownWords.includes(line) : () => true;
  let isAway = false;
  let lastResult: string | undefined;
  try {
    for await (const item of follower) {
      if (item.type === "exit") {
        terminal.out(renderer.flush());
        return { type: "exit", exitCode: item.exitCode, lastResult };
      }
      if (item.type === "lines") {
        lastResult = statusOfLastResult(item.lines) ?? lastResult;
        const news = item.lines.filter((line) => questions.note(line));
        terminal.out(options.isJson ? `${item.lines.join("\n")}\n` : news.map((line) => renderer.line(line)).join(""));
        input.adjust();
      } else if (item.type === "input") {
        const isNews = questions.add(item.input);
        if (isNews && !options.isJson) {
          const paint = terminal.colour ? paintColours : paintNothing;
          terminal.out(renderer.flush() + inputRequiredText(item.input, paint));
        }
        input.adjust();
      } else {
        const text = remark(item, { sessionId, isAway });
        if (item.type === "connected" || item.type === "disconnected") isAway = item.type === "disconnected";
        if (text === undefined) continue;
        if (!options.isJson) terminal.out(renderer.flush());
        terminal.note(text);
      }
    }
    terminal.out(renderer.flush());
    return { type: "detached", offset: follower.offset };
  } finally {
    input.stop();
    leave.abort();
  }
}

/** What is said about an item besides its lines, if anything. */
function remark(item: Exclude<FollowItem, { type: "lines" | "input" | "exit" }>): string | undefined {
  switch (item.type) {
    case "connected":
      return isAway ? "Connected again" : undefined;
    case "accepted":
      return undefined;
    case "gap":
      return `The log no longer has offsets ${item.from} to ${item.start}: it begins at ${item.start}`;
    case "refused":
      return [
        `The daemon refused: ${plainLine(item.message, longestShown)} (${plainLine(item.code, 50)})`,
        adviceFor(item.code, sessionId),
      ]
        .filter((sentence) => sentence !== undefined)
        .join(". ");
    case "paused":
      return item.isPaused
        ? `The daemon has paused the session: ${plainLine(item.reason, longestShown)}`
        : "The session goes on";
    case "disconnected":
      // The daemon may be away for minutes, and is asked every few seconds.
      return isAway ? "Still trying" : `Connection lost (${plainLine(item.reason, longestShown)}): trying again`;
    default:
      return item satisfies never;
  }
}

interface Watched {
  follower: Follower;
  questions: OpenQuestions;
  leave(): void;
}

/** Listens to the keyboard until `stop`. `adjust` whenever a question has come or gone. */
function startInput(options: WatchOptions, watched: Watched): { adjust(): void; stop(): void } {
  const { follower, questions, leave } = watched;
  const { terminal } = options;
  let interruptedAt = -Infinity;
  const onInterrupt = () => {
    if (options.input === "none" || performance.now() - interruptedAt < detachMsMax) return leave();
    interruptedAt = performance.now();
    interrupt(follower, terminal);
    terminal.note(`Press Ctrl+C again within ${detachMsMax / 1000} s to leave the session alone`);
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", leave);
  // One after the other, so that prompts arrive in the order in which they were typed.
  let sending = Promise.resolve();
  const obeyNext = (typed: Typed) => {
    sending = sending.then(() => obey(typed, options, watched));
  };
  const onKey = (key: string) => {
    const typed = typedByKey[key];
    const { first } = questions;
    // Answered as the very question that is shown, not as whichever is the oldest when the answer goes out.
    if (typed && first) obeyNext({ ...typed, request: first.request_id });
    return typed !== undefined;
  };
  const input =
    options.input === "lines"
      ? openTypedInput({
          stdin: process.stdin,
          onLine: (line) => obeyNext(readTyped(line)),
          onKey,
          onInterrupt,
          echo: (text) => terminal.out(plainText(text)),
        })
      : undefined;
  return {
    adjust: () => input?.wantKeys(questions.first?.kind === "permission"),
    stop: () => {
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", leave);
      input?.close();
    },
  };
}

/** While a permission is open. */
const typedByKey: Readonly<Record<string, Extract<Typed, { type: "approve" | "deny" }>>> = {
  a: { type: "approve", isForSession: false, request: undefined },
  s: { type: "approve", isForSession: true, request: undefined },
  d: { type: "deny", reason: undefined },
};

/** Does what was typed, or says why not. Never throws: a watcher goes on watching. */
async function obey(typed: Typed, options: WatchOptions, { follower, questions }: Watched): Promise<void> {
  const { terminal } = options;
  try {
    switch (typed.type) {
      case "nothing":
        return;
      case "mistake":
        return terminal.note(typed.message);
      case "interrupt":
        return interrupt(follower, terminal);
      case "approve":
        return await answerTo(typed.request, options, questions, () => ({
          decision: typed.isForSession ? "approve_session" : "approve_once",
        }));
      case "deny":
        return await answerTo(typed.request, options, questions, () => ({
          decision: "deny",
          ...(typed.reason === undefined ? {} : { message: typed.reason }),
        }));
      case "answer":
        return await answerTo(undefined, options, questions, (input) => readAnswer(input, typed.text));
      case "prompt":
      case "steer": {
        const accepted = await sayOnce(typed, options);
        if (accepted.position > 0) terminal.note(`Queued: number ${accepted.position} in line`);
        return;
      }
      default:
        typed satisfies never;
    }
  } catch (error) {
    terminal.note(`Not sent: ${plainLine(messageOf(error), longestShown)}`);
  }
}

/** The same answer again changes nothing, so a broken connection may be tried again. */
async function answerTo(
  ref: string | undefined,
  options: WatchOptions,
  questions: OpenQuestions,
  read: (input: ReturnType<OpenQuestions["find"]>) => InputAnswer,
): Promise<void> {
  const input = questions.find(ref);
  const answer = read(input);
  await persist(async () =>
    answerInput(await options.locate(), { id: options.sessionId, requestId: input.request_id, answer }),
  );
}

/** The key makes trying again safe: the daemon hears it once, however often the connection breaks. */
function sayOnce(typed: { type: "prompt" | "steer"; text: string }, options: WatchOptions) {
  const key = randomUUID();
  const words = { id: options.sessionId, kind: typed.type, text: typed.text, key };
  return persist(async () => say(await options.locate(), words));
}

/** Tries again while the daemon cannot be reached. */
async function persist<T>(act: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof DaemonUnreachable) || tries === sayTriesMax) throw error;
      await delay(tries * 500);
    }
  }
}

function interrupt(follower: Follower, terminal: Terminal): void {
  const isSent = follower.send({ type: "interrupt" });
  terminal.note(isSent ? "Interrupting the turn" : "Not connected just now: the turn was not interrupted");
}

const resultStart = '{"type":"result"';

function statusOfLastResult(lines: readonly string[]): string | undefined {
  const line = lines.findLast((candidate) => candidate.startsWith(resultStart));
  return line === undefined ? undefined : /"status":"([a-z]+)"/.exec(line)?.[1];
}
