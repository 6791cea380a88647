/** What a person wants of a watched session → what is asked of the daemon, and what came of it. Never throws: a watcher goes on watching. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { type DaemonAddress, DaemonUnreachable } from "../src/client/address.ts";
import { answerInput, getSession, interruptSession, isIdle, say, stopSession } from "../src/client/sessions.ts";
import type { InputAnswer } from "../src/protocol/command.ts";
import { AgentdError } from "../src/protocol/error.ts";
import type { InputRequired } from "../src/protocol/event.ts";
import { withAdvice } from "./advice.ts";
import { type OpenQuestions, readAnswer } from "./open-questions.ts";
import type { OwnWords } from "./own-words.ts";
import { plainLine } from "./plain-text.ts";
import type { Typed } from "./typed-line.ts";

export interface Talk {
  sessionId: string;
  locate: () => Promise<DaemonAddress>;
  ownWords: OwnWords;
  questions: OpenQuestions;
  /** One line for the person; a view takes it away when what it speaks of is over. */
  note(line: string, about: NoteAbout): void;
}

export type NoteAbout =
  /** Until somebody has read it, which the next key says. */
  | { what: "reader" }
  /** What was so when it was said. */
  | { what: "moment" }
  /** What the same key does, pressed again within `detachMsMax`. */
  | { what: "ways out" }
  /** The turn that runs. */
  | { what: "turn" }
  | { what: "question"; requestId: string };

/** A second Ctrl+C within this time leaves; a later one interrupts again. */
export const detachMsMax = 2000;
/** A daemon that does not say in this time whether a turn runs is told to interrupt it. */
const askMsMax = 1000;
const sayTriesMax = 5;
export const longestShown = 300;

/** Does what was typed, or says why not. Never throws: a watcher goes on watching. */
export async function obey(typed: Typed, talk: Talk, leave: () => void): Promise<void> {
  switch (typed.type) {
    case "nothing":
      return;
    case "mistake":
      return talk.note(typed.message, { what: "reader" });
    case "leave":
      return leave();
    case "interrupt":
      return interruptByLine(talk);
    case "approve":
      return answer(typed.request, talk, () => ({
        decision: typed.isForSession ? "approve_session" : "approve_once",
      }));
    case "deny":
      return answer(typed.request, talk, () => ({
        decision: "deny",
        ...(typed.reason === undefined ? {} : { message: typed.reason }),
      }));
    case "answer":
      return answer(undefined, talk, (question) => readAnswer(question, typed.text));
    default:
      return send(typed, talk);
  }
}

/** The same answer again changes nothing, so a broken connection may be tried again. */
async function answer(
  ref: string | undefined,
  talk: Talk,
  read: (question: InputRequired) => InputAnswer,
): Promise<void> {
  const { sessionId, questions, note } = talk;
  let about: NoteAbout = { what: "moment" };
  try {
    const question = questions.find(ref);
    about = { what: "question", requestId: question.request_id };
    const given = read(question);
    await persist(talk, (address) =>
      answerInput(address, { id: sessionId, requestId: question.request_id, answer: given }),
    );
  } catch (error) {
    note(`Not answered: ${plainLine(withAdvice(error, { sessionId }), longestShown)}`, about);
  }
}

async function send(typed: { type: "prompt" | "steer"; text: string }, talk: Talk): Promise<void> {
  const { sessionId, ownWords, note } = talk;
  const key = randomUUID();
  ownWords.expect(typed.text);
  try {
    // The key makes trying again safe: the daemon hears it once, however often the connection breaks.
    const accepted = await persist(talk, (address) =>
      say(address, { id: sessionId, kind: typed.type, text: typed.text, key }),
    );
    if (accepted.position > 0) note(`Queued: number ${accepted.position} in line`, { what: "turn" });
  } catch (error) {
    ownWords.forget(typed.text);
    note(`Not sent: ${plainLine(withAdvice(error, { sessionId }), longestShown)}`, { what: "reader" });
  }
}

/** No more prompts will come: the session ends when those it has are done. */
export async function drain(talk: Talk): Promise<void> {
  const { sessionId, note } = talk;
  try {
    await persist(talk, (address) => stopSession(address, sessionId, "drain"));
  } catch (error) {
    // It was faster than the end of its input.
    if (error instanceof AgentdError && error.code === "session_ended") return;
    note(
      `Cannot tell session ${sessionId} that its input has ended: ${plainLine(withAdvice(error, { sessionId }), longestShown)}`,
      { what: "reader" },
    );
  }
}

async function persist<T>(talk: Talk, ask: (address: DaemonAddress) => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask(await talk.locate());
    } catch (error) {
      if (!(error instanceof DaemonUnreachable) || tries === sayTriesMax) throw error;
      await delay(tries * 500);
    }
  }
}

export async function interruptByKey(talk: Talk): Promise<void> {
  if (await nothingRuns(talk)) return talk.note("Nothing runs; press Ctrl+C again to leave", { what: "ways out" });
  const again = `Press Ctrl+C again within ${detachMsMax / 1000} s to leave it`;
  talk.note(`${interrupting}; the session goes on. ${again}`, { what: "ways out" });
  await interrupt(talk);
}

async function interruptByLine(talk: Talk): Promise<void> {
  if (await nothingRuns(talk)) return talk.note("Nothing runs: there is nothing to interrupt", { what: "moment" });
  talk.note(interrupting, { what: "turn" });
  await interrupt(talk);
}

/** False also when nobody can tell: an interrupt of nothing does no harm, one that is not sent may. */
async function nothingRuns({ sessionId, locate }: Talk): Promise<boolean> {
  try {
    return isIdle(await getSession(await locate(), sessionId, AbortSignal.timeout(askMsMax)));
  } catch {
    return false;
  }
}

const interrupting = "Interrupting the turn";

/** By a request of its own: what is followed may not be connected just now, and who wants a turn to end is not to press again. */
async function interrupt(talk: Talk): Promise<void> {
  const { sessionId, note } = talk;
  try {
    await persist(talk, (address) => interruptSession(address, sessionId));
  } catch (error) {
    // It ended by itself, which whoever watches it sees.
    if (error instanceof AgentdError && error.code === "session_ended") return;
    note(`Not interrupted: ${plainLine(withAdvice(error, { sessionId }), longestShown)}`, { what: "reader" });
  }
}
