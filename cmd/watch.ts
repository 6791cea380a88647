/** Watching a session from a terminal: events out, typed lines in, Ctrl+C; used by `attach`, `run` and `logs -f`. */
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/daemon-address.ts";
import { type Follower, type FollowItem, followSession } from "../src/client/follow.ts";
import { say } from "../src/client/sessions.ts";
import { messageOf } from "../src/protocol/error.ts";
import { plainLine } from "./plain-text.ts";
import { Renderer } from "./render.ts";
import type { Terminal } from "./terminal.ts";
import { readTyped } from "./typed-line.ts";

export interface WatchOptions {
  sessionId: string;
  locate: () => Promise<DaemonAddress>;
  from: number | "end";
  /** Raw log lines instead of readable text. */
  isJson: boolean;
  /** `none`: nothing is read, Ctrl+C just leaves. `signals`: Ctrl+C interrupts. `lines`: stdin is read too. */
  input: "none" | "signals" | "lines";
  terminal: Terminal;
}

export type WatchEnd =
  | { type: "exit"; exitCode: number; lastResult: string | undefined }
  | { type: "detached"; offset: number };

/** A second Ctrl+C within this time leaves; a later one interrupts again. */
const detachMsMax = 2000;
const sayTriesMax = 5;
const longestShown = 300;

/** Resolves when the session has ended or the person has left. */
export async function watchSession(options: WatchOptions): Promise<WatchEnd> {
  const { terminal, sessionId, locate, from } = options;
  const leave = new AbortController();
  const follower = followSession({ sessionId, locate, from, signal: leave.signal });
  const stopInput = startInput(options, follower, () => leave.abort());
  const renderer = new Renderer({ colour: terminal.colour });
  let lastResult: string | undefined;
  try {
    for await (const item of follower) {
      if (item.type === "exit") {
        terminal.out(renderer.flush());
        return { type: "exit", exitCode: item.exitCode, lastResult };
      }
      if (item.type === "lines") {
        lastResult = statusOfLastResult(item.lines) ?? lastResult;
        terminal.out(
          options.isJson ? `${item.lines.join("\n")}\n` : item.lines.map((line) => renderer.line(line)).join(""),
        );
      } else {
        const text = remark(item);
        if (text === undefined) continue;
        if (!options.isJson) terminal.out(renderer.flush());
        terminal.note(text);
      }
    }
    terminal.out(renderer.flush());
    return { type: "detached", offset: follower.offset };
  } finally {
    stopInput();
    leave.abort();
  }
}

/** What is said about an item besides its lines, if anything. */
function remark(item: Exclude<FollowItem, { type: "lines" | "exit" }>): string | undefined {
  switch (item.type) {
    case "connected":
    case "accepted":
      return undefined;
    case "gap":
      return `The log no longer has offsets ${item.from} to ${item.start}: it begins at ${item.start}`;
    case "refused":
      return `The daemon refused: ${plainLine(item.message, longestShown)} (${plainLine(item.code, 50)})`;
    case "paused":
      return item.isPaused
        ? `The daemon has paused the session: ${plainLine(item.reason, longestShown)}`
        : "The session goes on";
    case "disconnected":
      return `Connection lost (${plainLine(item.reason, longestShown)}): trying again`;
    default:
      return item satisfies never;
  }
}

/** Listens to the keyboard; the answer stops it. */
function startInput(options: WatchOptions, follower: Follower, leave: () => void): () => void {
  let interruptedAt = -Infinity;
  const onInterrupt = () => {
    if (options.input === "none" || performance.now() - interruptedAt < detachMsMax) return leave();
    interruptedAt = performance.now();
    interrupt(follower, options.terminal);
    options.terminal.note(`Press Ctrl+C again within ${detachMsMax / 1000} s to leave the session alone`);
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", leave);
  const lines = options.input === "lines" ? createInterface({ input: process.stdin, terminal: false }) : undefined;
  // One after the other, so that prompts arrive in the order in which they were typed.
  let sending = Promise.resolve();
  lines?.on("line", (line) => {
    sending = sending.then(() => obey(line, options, follower));
  });
  return () => {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", leave);
    lines?.close();
    // A terminal or an open pipe would keep the process.
    if (lines) process.stdin.destroy();
  };
}

/** Does what was typed, or says why not. Never throws: a watcher goes on watching. */
async function obey(line: string, options: WatchOptions, follower: Follower): Promise<void> {
  const typed = readTyped(line);
  if (typed.type === "nothing") return;
  if (typed.type === "mistake") {
    options.terminal.note(typed.message);
    return;
  }
  if (typed.type === "interrupt") {
    interrupt(follower, options.terminal);
    return;
  }
  try {
    const accepted = await sayOnce(typed, options);
    if (accepted.position > 0) options.terminal.note(`Queued: number ${accepted.position} in line`);
  } catch (error) {
    options.terminal.note(`Not sent: ${plainLine(messageOf(error), longestShown)}`);
  }
}

/** The key makes trying again safe: the daemon hears it once, however often the connection breaks. */
async function sayOnce(typed: { type: "prompt" | "steer"; text: string }, options: WatchOptions) {
  const key = randomUUID();
  for (let tries = 1; ; tries++) {
    try {
      return await say(await options.locate(), { id: options.sessionId, kind: typed.type, text: typed.text, key });
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
