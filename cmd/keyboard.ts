/** What a person does while watching a session: typed lines, the end of input, Ctrl+C → what is asked of the daemon. */
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/daemon-address.ts";
import type { Follower } from "../src/client/follow.ts";
import { getSession, isIdle, say, stopSession } from "../src/client/sessions.ts";
import { AgentdError } from "../src/protocol/error.ts";
import { withAdvice } from "./advice.ts";
import type { OwnWords } from "./own-words.ts";
import { plainLine } from "./plain-text.ts";
import type { Terminal } from "./terminal.ts";
import { readTyped, typedLineHint } from "./typed-line.ts";

export interface Keyboard {
  sessionId: string;
  locate: () => Promise<DaemonAddress>;
  follower: Follower;
  terminal: Terminal;
  /** `none`: nothing is read, Ctrl+C just leaves. `signals`: Ctrl+C interrupts. `lines`: stdin is read too. */
  input: "none" | "signals" | "lines";
  /** What the end of lines from a file or a pipe means; on a terminal it is Ctrl+D, which leaves. */
  atInputEnd: "watch" | "drain";
  ownWords: OwnWords;
  leave: () => void;
}

/** A second Ctrl+C within this time leaves; a later one interrupts again. */
const detachMsMax = 2000;
/** A daemon that does not say in this time whether a turn runs is told to interrupt it. */
const askMsMax = 1000;
const sayTriesMax = 5;
export const longestShown = 300;

/** Listens; the answer stops it. */
export function listen(keyboard: Keyboard): () => void {
  const { input, terminal, leave } = keyboard;
  let interruptedAt = -Infinity;
  const onInterrupt = () => {
    if (input === "none" || performance.now() - interruptedAt < detachMsMax) return leave();
    interruptedAt = performance.now();
    void interruptByKey(keyboard);
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", leave);
  const stopReading = input === "lines" ? readLines(keyboard) : undefined;
  if (input === "lines" && process.stdin.isTTY)
    terminal.note(terminal.colour ? `\x1b[2m${typedLineHint}\x1b[0m` : typedLineHint);
  return () => {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", leave);
    stopReading?.();
  };
}

function readLines(keyboard: Keyboard): () => void {
  const isTerminal = process.stdin.isTTY === true;
  // Read to its end by `run -`: it would never say so again.
  const isOverAlready = process.stdin.destroyed || process.stdin.readableEnded;
  let isOver = false;
  // One after the other, so that prompts arrive in the order in which they were typed.
  let doing = Promise.resolve();
  const then = (act: () => Promise<void>) => {
    doing = doing.then(() => (isOver ? undefined : act()));
  };
  const leave = () => {
    isOver = true;
    keyboard.leave();
  };
  const atEnd = async () => {
    if (isTerminal) leave();
    else if (keyboard.atInputEnd === "drain") await drain(keyboard);
  };
  const lines = isOverAlready ? undefined : createInterface({ input: process.stdin, terminal: false });
  lines?.on("line", (line) => then(() => obey(line, keyboard, leave)));
  lines?.once("close", () => then(atEnd));
  if (isOverAlready) then(atEnd);
  return () => {
    isOver = true;
    lines?.close();
    // A terminal or an open pipe would keep the process.
    process.stdin.destroy();
  };
}

/** Does what was typed, or says why not. Never throws: a watcher goes on watching. */
async function obey(line: string, keyboard: Keyboard, leave: () => void): Promise<void> {
  const typed = readTyped(line);
  switch (typed.type) {
    case "nothing":
      return;
    case "mistake":
      return keyboard.terminal.note(typed.message);
    case "leave":
      return leave();
    case "interrupt":
      return interruptByLine(keyboard);
    default:
      return send(typed, keyboard);
  }
}

async function send(typed: { type: "prompt" | "steer"; text: string }, keyboard: Keyboard): Promise<void> {
  const { sessionId, ownWords, terminal } = keyboard;
  const key = randomUUID();
  ownWords.expect(typed.text);
  try {
    // The key makes trying again safe: the daemon hears it once, however often the connection breaks.
    const accepted = await persist(keyboard, (address) =>
      say(address, { id: sessionId, kind: typed.type, text: typed.text, key }),
    );
    if (accepted.position > 0) terminal.note(`Queued: number ${accepted.position} in line`);
  } catch (error) {
    ownWords.forget(typed.text);
    terminal.note(`Not sent: ${plainLine(withAdvice(error, sessionId), longestShown)}`);
  }
}

/** No more prompts will come: the session ends when those it has are done. */
async function drain(keyboard: Keyboard): Promise<void> {
  const { sessionId, terminal } = keyboard;
  try {
    await persist(keyboard, (address) => stopSession(address, sessionId, "drain"));
  } catch (error) {
    // It was faster than the end of its input.
    if (error instanceof AgentdError && error.code === "session_ended") return;
    terminal.note(
      `Cannot tell session ${sessionId} that its input has ended: ${plainLine(withAdvice(error, sessionId), longestShown)}`,
    );
  }
}

async function persist<T>(keyboard: Keyboard, ask: (address: DaemonAddress) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(await keyboard.locate());
    } catch (error) {
      if (!(error instanceof DaemonUnreachable) || tries === sayTriesMax) throw error;
      await delay(tries * 500);
    }
  }
}

async function interruptByKey(keyboard: Keyboard): Promise<void> {
  if (await nothingRuns(keyboard)) return keyboard.terminal.note("Nothing runs; press Ctrl+C again to leave");
  interrupt(keyboard);
  keyboard.terminal.note(`Press Ctrl+C again within ${detachMsMax / 1000} s to leave the session alone`);
}

async function interruptByLine(keyboard: Keyboard): Promise<void> {
  if (await nothingRuns(keyboard)) keyboard.terminal.note("Nothing runs: there is nothing to interrupt");
  else interrupt(keyboard);
}

/** False also when nobody can tell: an interrupt of nothing does no harm, one that is not sent may. */
async function nothingRuns({ sessionId, locate }: Keyboard): Promise<boolean> {
  try {
    return isIdle(await getSession(await locate(), sessionId, AbortSignal.timeout(askMsMax)));
  } catch {
    return false;
  }
}

function interrupt({ follower, terminal }: Keyboard): void {
  const isSent = follower.send({ type: "interrupt" });
  terminal.note(isSent ? "Interrupting the turn" : "Not connected just now: the turn was not interrupted");
}
