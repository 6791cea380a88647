/** Watching all sessions on the whole terminal: what is asked of the daemon, again and again, and what the person's keys ask. */
import { setTimeout as delay } from "node:timers/promises";
import type { DaemonAddress } from "../../src/client/address.ts";
import { interruptSession, isIdle, listSessions, readLog, stopSession } from "../../src/client/sessions.ts";
import { messageOf } from "../../src/protocol/error.ts";
import type { SessionView } from "../../src/protocol/http.ts";
import { plainLine } from "../plain-text.ts";
import type { Screen } from "../screen.ts";
import { lastWord } from "./last-word.ts";
import { nameOf, SessionsScene } from "./sessions-scene.ts";
import { untilAborted } from "./until-aborted.ts";

export interface SessionsViewOptions {
  screen: Screen;
  locate: () => Promise<DaemonAddress>;
  colour: boolean;
  agent: string | undefined;
  isAll: boolean;
  selected?: string;
  note?: string;
}

const askEveryMs = 1000;
const tickMs = 250;
/** Behind so many bytes of its end nothing of a log is read; a longer last line shows nothing. */
const tailBytes = 16 * 1024;

/** Resolves with the session to attach to, or with none when the person leaves. */
export async function viewSessions(options: SessionsViewOptions): Promise<{ attach?: string; isAll: boolean }> {
  const { screen, locate } = options;
  const leaving = new AbortController();
  let attach: string | undefined;
  let hurry = new AbortController();
  const leave = () => leaving.abort();
  const ask = () => hurry.abort();
  const act = (view: SessionView, words: string, ask: (address: DaemonAddress) => Promise<unknown>) => {
    const done = locate().then(ask);
    done.then(
      () => {
        scene.note(`${words} ${nameOf(view)}`, { what: "moment" });
        hurry.abort();
      },
      (error: unknown) => scene.note(messageOf(error), { what: "reader" }),
    );
  };
  const scene = new SessionsScene({
    colour: options.colour,
    isAll: options.isAll,
    selected: options.selected,
    refresh: screen.refresh,
    ask,
    leave,
    attach: (id) => {
      attach = id;
      leave();
    },
    interrupt: (view) =>
      isIdle(view)
        ? scene.note(`Nothing runs in ${nameOf(view)}`, { what: "moment" })
        : act(view, "Interrupting the turn of", (address) => interruptSession(address, view.session_id)),
    stop: (view) => act(view, "Stopping", (address) => stopSession(address, view.session_id, "now")),
  });
  if (options.note !== undefined) scene.note(options.note, { what: "reader" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, leave);
  // Time alone may end a note, also while the daemon does not answer.
  const ticking = setInterval(() => {
    if (scene.hasNote) screen.refresh();
  }, tickMs);
  screen.show(scene);
  const left = untilAborted(leaving.signal);
  const tails = new Map<string, number>();
  try {
    while (!leaving.signal.aborted) {
      // A daemon that does not answer keeps nobody from leaving.
      await Promise.race([look(scene, { locate, agent: options.agent, tails }), left]);
      screen.refresh();
      // Cut short when there is something to do sooner: then it rejects, and for nothing else.
      await delay(askEveryMs, undefined, { signal: AbortSignal.any([leaving.signal, hurry.signal]) }).catch(() => {});
      if (hurry.signal.aborted) hurry = new AbortController();
    }
    return { isAll: scene.isAll, ...(attach === undefined ? {} : { attach }) };
  } finally {
    clearInterval(ticking);
    for (const signal of signals) process.off(signal, leave);
  }
}

/** `tails`: how long each log was when its end was last read. */
async function look(
  scene: SessionsScene,
  {
    locate,
    agent,
    tails,
  }: { locate: () => Promise<DaemonAddress>; agent: string | undefined; tails: Map<string, number> },
): Promise<void> {
  try {
    const address = await locate();
    const views = await listSessions(address, { agent, state: scene.isAll ? undefined : "live" });
    scene.views = views;
    scene.fault = undefined;
    const listed = new Set(views.map((view) => view.session_id));
    for (const id of tails.keys()) {
      if (listed.has(id)) continue;
      tails.delete(id);
      scene.lastWords.delete(id);
    }
    // Only of those that are seen, and have news.
    const news = scene.seen.filter((view) => tails.get(view.session_id) !== view.log_bytes);
    for (const { session_id, log_bytes } of news) {
      tails.set(session_id, log_bytes);
      const word = await readLastWord(address, { id: session_id, bytes: log_bytes });
      if (word !== "") scene.lastWords.set(session_id, word);
    }
  } catch (error) {
    scene.fault = plainLine(messageOf(error), 300);
  }
}

async function readLastWord(address: DaemonAddress, { id, bytes }: { id: string; bytes: number }): Promise<string> {
  const chunks: Buffer[] = [];
  let read = 0;
  for await (const chunk of readLog(address, id, Math.max(0, bytes - tailBytes))) {
    chunks.push(chunk);
    read += chunk.length;
    // It may have grown by much since.
    if (read > 4 * tailBytes) break;
  }
  return lastWord(Buffer.concat(chunks).toString("utf8").split("\n"));
}
