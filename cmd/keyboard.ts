/** What a person does while watching a session: typed lines, the end of input, Ctrl+C → what is asked of the daemon. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/address.ts";
import type { Follower } from "../src/client/follow.ts";
import { answerInput, getSession, isIdle, say, stopSession } from "../src/client/sessions.ts";
import type { InputAnswer } from "../src/protocol/command.ts";
import { AgentdError } from "../src/protocol/error.ts";
import type { InputRequired } from "../src/protocol/event.ts";
import { withAdvice } from "./advice.ts";
import { type OpenQuestions, readAnswer } from "./open-questions.ts";
import type { OwnWords } from "./own-words.ts";
import { plainLine, plainText } from "./plain-text.ts";
import type { Terminal } from "./terminal.ts";
import { openTypedInput, typingMs } from "./typed-input.ts";
import { readTyped, type Typed, typedLineHint } from "./typed-line.ts";

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
  questions: OpenQuestions;
  leave: () => void;
}

export interface Listening {
  /** To be called whenever a question has come or gone: single keys are read only while they mean something. */
  adjust(): void;
  stop(): void;
}

/** A second Ctrl+C within this time leaves; a later one interrupts again. */
const detachMsMax = 2000;
/** A daemon that does not say in this time whether a turn runs is told to interrupt it. */
const askMsMax = 1000;
const sayTriesMax = 5;
export const longestShown = 300;

export function listen(keyboard: Keyboard): Listening {
  const { input, terminal, leave } = keyboard;
  let interruptedAt = -Infinity;
  const onInterrupt = () => {
    if (input === "none" || performance.now() - interruptedAt < detachMsMax) return leave();
    interruptedAt = performance.now();
    void interruptByKey(keyboard);
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", leave);
  const reading = input === "lines" ? readTerminalOrPipe(keyboard, onInterrupt) : undefined;
  if (input === "lines" && process.stdin.isTTY)
    terminal.note(terminal.colour ? `\x1b[2m${typedLineHint}\x1b[0m` : typedLineHint);
  return {
    adjust: () => reading?.adjust(),
    stop: () => {
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", leave);
      reading?.stop();
    },
  };
}

const keyHint = "a approves, s approves for this session, d denies; or type /deny REASON";

/** While a permission is open. */
const typedByKey: Readonly<Record<string, Extract<Typed, { type: "approve" | "deny" }>>> = {
  a: { type: "approve", isForSession: false, request: undefined },
  s: { type: "approve", isForSession: true, request: undefined },
  d: { type: "deny", reason: undefined },
};

function readTerminalOrPipe(keyboard: Keyboard, onInterrupt: () => void): Listening {
  const { questions, terminal } = keyboard;
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
  const onKey = (key: string) => {
    const typed = typedByKey[key];
    const { first } = questions;
    // Answered as the very question that is shown, not as whichever is the oldest when the answer goes out.
    if (typed && first) then(() => obey({ ...typed, request: first.request_id }, keyboard, leave));
    return typed !== undefined;
  };
  const typed = isOverAlready
    ? undefined
    : openTypedInput({
        stdin: process.stdin,
        onLine: (line) => then(() => obey(readTyped(line), keyboard, leave)),
        onEnd: () => then(atEnd),
        onKey,
        onInterrupt,
        echo: (text) => terminal.out(plainText(text)),
      });
  if (isOverAlready) then(atEnd);
  let hinted: { requestId: string; timer: NodeJS.Timeout } | undefined;
  return {
    adjust: () => {
      const { first } = questions;
      const isPermission = first?.kind === "permission";
      typed?.wantKeys(isPermission);
      if (!isTerminal || hinted?.requestId === first?.request_id) return;
      clearTimeout(hinted?.timer);
      // Said once the keys count.
      hinted = isPermission
        ? { requestId: first.request_id, timer: setTimeout(() => terminal.note(keyHint), typingMs + 50) }
        : undefined;
    },
    stop: () => {
      isOver = true;
      clearTimeout(hinted?.timer);
      typed?.close();
    },
  };
}

/** Does what was typed, or says why not. Never throws: a watcher goes on watching. */
async function obey(typed: Typed, keyboard: Keyboard, leave: () => void): Promise<void> {
  switch (typed.type) {
    case "nothing":
      return;
    case "mistake":
      return keyboard.terminal.note(typed.message);
    case "leave":
      return leave();
    case "interrupt":
      return interruptByLine(keyboard);
    case "approve":
      return answer(typed.request, keyboard, () => ({
        decision: typed.isForSession ? "approve_session" : "approve_once",
      }));
    case "deny":
      return answer(typed.request, keyboard, () => ({
        decision: "deny",
        ...(typed.reason === undefined ? {} : { message: typed.reason }),
      }));
    case "answer":
      return answer(undefined, keyboard, (question) => readAnswer(question, typed.text));
    default:
      return send(typed, keyboard);
  }
}

/** The same answer again changes nothing, so a broken connection may be tried again. */
async function answer(
  ref: string | undefined,
  keyboard: Keyboard,
  read: (question: InputRequired) => InputAnswer,
): Promise<void> {
  const { sessionId, questions, terminal } = keyboard;
  try {
    const question = questions.find(ref);
    const given = read(question);
    await persist(keyboard, (address) =>
      answerInput(address, { id: sessionId, requestId: question.request_id, answer: given }),
    );
  } catch (error) {
    terminal.note(`Not answered: ${plainLine(withAdvice(error, sessionId), longestShown)}`);
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
