/** Watching a session on the whole terminal: what follows it, and what the person's keys ask of it. */
import { setTimeout as delay } from "node:timers/promises";
import type { DaemonAddress } from "../../src/client/address.ts";
import { type Follower, type FollowItem, followSession } from "../../src/client/follow.ts";
import { getSession } from "../../src/client/sessions.ts";
import { Away } from "../away.ts";
import { OpenQuestions } from "../open-questions.ts";
import { OwnWords } from "../own-words.ts";
import type { Screen } from "../screen.ts";
import { detachMsMax, interruptByKey, type NoteAbout, obey, type Talk } from "../typed-acts.ts";
import type { Typed } from "../typed-line.ts";
import { remark, statusOfLastResult, type WatchEnd } from "../watch.ts";
import { SessionScene } from "./session-scene.ts";
import { untilAborted } from "./until-aborted.ts";

export interface ViewOptions {
  screen: Screen;
  sessionId: string;
  locate: () => Promise<DaemonAddress>;
  from: number | "end";
  colour: boolean;
  /** Lines about the watching, above all that happens. */
  notes?: readonly string[];
  /** What was said before this session: lines as a log has them. */
  before?: readonly string[];
  /** Goes on as soon as the session has ended; else its end stays until it was read. */
  isLeftAtEnd?: boolean;
}

/** Of a longer log the end is read: no more than that is kept to scroll through. */
const readBytesMax = 32 * 1024 * 1024;
const tickMs = 250;
const askMsMax = 5000;

/** Resolves when the person leaves, or has read the end of a session that has ended. */
export async function viewSession({ screen, sessionId, locate, colour, ...options }: ViewOptions): Promise<WatchEnd> {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  const first = await getSession(await locate(), sessionId);
  const from = options.from === 0 ? Math.max(0, first.log_bytes - readBytesMax) : options.from;
  const follower = followSession({ sessionId, locate, from, signal: leaving.signal });
  const questions = new OpenQuestions();
  // One after the other, so that prompts arrive in the order in which they were typed.
  let doing = Promise.resolve();
  const act = (typed: Typed) => {
    doing = doing.then(() => (leaving.signal.aborted ? undefined : obey(typed, talk, leave)));
  };
  const interrupt = onInterrupt(() => talk, { leave, hasEnded: () => scene.connection === "ended" });
  const scene = new SessionScene({ sessionId, colour, questions, refresh: screen.refresh, act, interrupt, leave });
  for (const line of options.before ?? []) scene.conversation.line(line);
  for (const text of options.notes ?? []) scene.conversation.note(text);
  const note = (text: string, about: NoteAbout) => scene.note(text, about);
  const talk: Talk = { sessionId, locate, ownWords: new OwnWords(), questions, note };
  scene.view = first;
  const unseen = unseenBefore(from, options.from);
  if (unseen !== undefined) scene.conversation.note(`${unseen} ${sessionId} has all of it`);
  const facts = freshFacts({ scene, locate, sessionId, refresh: screen.refresh });
  const stops = [onSignals({ interrupt, leave }), ticking(scene, screen), () => facts.stop()];
  screen.show(scene);
  try {
    const readFrom = from === "end" ? first.log_bytes : from;
    const exit = await follow({
      follower,
      scene,
      questions,
      screen,
      facts,
      whole: first.log_bytes - readFrom,
      readFrom,
    });
    if (exit === undefined) return { type: "detached", offset: follower.offset };
    if (options.isLeftAtEnd !== true) await untilAborted(leaving.signal);
    return exit;
  } finally {
    leaving.abort();
    for (const stop of stops) stop();
  }
}

/** What is not shown of the log, and who shows it: nobody is to wonder before an empty screen. */
function unseenBefore(from: number | "end", wanted: number | "end"): string | undefined {
  if (wanted === 0) return from === 0 ? undefined : `The log begins ${from} bytes before this: agentd export`;
  const where = wanted === "end" ? "What was there before is not shown" : `The log before byte ${wanted} is not shown`;
  return `${where}: agentd attach`;
}

interface Following {
  follower: Follower;
  scene: SessionScene;
  questions: OpenQuestions;
  screen: Screen;
  facts: { ask(): void };
  readFrom: number;
  /** Bytes that were there when we came. */
  whole: number;
}

/** Undefined when the person left before the session's end. */
async function follow(following: Following): Promise<Extract<WatchEnd, { type: "exit" }> | undefined> {
  const { follower, scene, screen, facts } = following;
  const away = new Away();
  let lastResult: string | undefined;
  for await (const item of follower) {
    if (item.type === "lines") lastResult = statusOfLastResult(item.lines) ?? lastResult;
    if (item.type === "exit") {
      scene.connection = "ended";
      scene.exitCode = item.exitCode;
      facts.ask();
      screen.refresh();
      return { type: "exit", exitCode: item.exitCode, lastResult };
    }
    take(item, following, away);
    screen.refresh();
  }
  return undefined;
}

/** What changes what the daemon says of the session as a whole. */
const telling = /^\{"type":"(?:result|input_required|input_resolved|user_message|exit)"/;

function take(item: Exclude<FollowItem, { type: "exit" }>, following: Following, away: Away): void {
  const { scene, questions, facts, whole, readFrom } = following;
  if (item.type === "lines") {
    for (const line of item.lines) {
      questions.note(line);
      scene.conversation.line(line);
    }
    if (item.isReplay) scene.readShare = whole <= 0 ? 1 : Math.min(1, (item.offset - readFrom) / whole);
    else if (item.lines.some((line) => telling.test(line))) facts.ask();
    return;
  }
  if (item.type === "input") {
    questions.add(item.input);
    return;
  }
  if (item.type === "connected") {
    scene.connection = "up";
    facts.ask();
  }
  if (item.type === "disconnected") scene.connection = "lost";
  const text = remark(item, { sessionId: scene.view?.session_id ?? "", away });
  if (text === undefined) return;
  scene.conversation.note(text);
  // It stands in the conversation; what still holds stays below it too.
  const isLasting = item.type === "disconnected" || (item.type === "paused" && item.isPaused);
  scene.note(text, { what: isLasting ? "reader" : "moment" });
}

/** Keeps what the daemon says of the session fresh: asked when something happened, one question at a time. */
function freshFacts({
  scene,
  locate,
  sessionId,
  refresh,
}: {
  scene: SessionScene;
  locate: () => Promise<DaemonAddress>;
  sessionId: string;
  refresh(): void;
}) {
  let isAsking = false;
  let isWanted = false;
  let isOver = false;
  const askUntilFresh = async () => {
    while (isWanted && !isOver) {
      isWanted = false;
      try {
        scene.view = await getSession(await locate(), sessionId, AbortSignal.timeout(askMsMax));
        refresh();
      } catch {
        // Whoever follows the session says what is wrong with the daemon; what is known stays.
      }
      await delay(tickMs);
    }
    isAsking = false;
  };
  return {
    ask: () => {
      isWanted = true;
      if (isAsking) return;
      isAsking = true;
      void askUntilFresh();
    },
    stop: () => {
      isOver = true;
    },
  };
}

/** The clock of a turn that runs goes on without news. */
function ticking(scene: SessionScene, screen: Screen): () => void {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks++;
    const isMoving = scene.conversation.turnSince !== undefined || ticks % 4 === 0;
    if (scene.hasNote || (scene.connection !== "ended" && isMoving)) screen.refresh();
  }, tickMs);
  return () => clearInterval(timer);
}

function onInterrupt(talk: () => Talk, { leave, hasEnded }: { leave(): void; hasEnded(): boolean }): () => void {
  let interruptedAt = -Infinity;
  return () => {
    if (hasEnded() || performance.now() - interruptedAt < detachMsMax) return leave();
    interruptedAt = performance.now();
    void interruptByKey(talk());
  };
}

function onSignals({ interrupt, leave }: { interrupt(): void; leave(): void }): () => void {
  process.on("SIGINT", interrupt);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, leave);
  return () => {
    process.off("SIGINT", interrupt);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, leave);
  };
}
