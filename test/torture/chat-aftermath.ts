/** When the accidents are over: every message of a chat comes to its outcome, and has exactly one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Caller } from "./caller.ts";
import { type ChatLine, type ChatTale, noteAnswer } from "./chat-tale.ts";
import { learnSessions } from "./chatter.ts";
import type { CheckedFolders } from "./check-tale.ts";
import { journalOf } from "./journal.ts";
import type { Tale } from "./tale.ts";

const idleMs = 90_000;
const pageMax = 500;

/** Messages that nobody had answered are asked for under their keys; then the chats go on until nothing waits in them. */
export async function settleChats(
  chats: readonly ChatTale[],
  world: { caller: Caller; tales: Tale[]; problems: string[] },
): Promise<void> {
  const { caller, problems } = world;
  const until = performance.now() + idleMs;
  for (const chat of chats) {
    for (const { call, text } of chat.unanswered) {
      let answer = await caller.call(call);
      // What waits before it makes room, or the disk has some again.
      while ((answer === undefined || answer.status >= 500) && performance.now() < until) {
        await sleep(100);
        answer = await caller.call(call);
      }
      noteAnswer(chat, text, answer);
    }
    let view = await learnSessions(chat, world);
    while (view && view["state"] === "running" && performance.now() < until) {
      await sleep(100);
      view = await learnSessions(chat, world);
    }
    // Then it is gone: what it took is lost, and said to be.
    if (!view) continue;
    if (view["state"] === "running") problems.push(`${chat.name}: it does not come to rest: ${JSON.stringify(view)}`);
    chat.end = {
      chain: view["session_chain"] as string[],
      replaced: (view["replaced_sessions"] ?? {}) as Record<string, string>,
      said: await wholeHistory(chat.name, caller),
    };
  }
}

async function wholeHistory(name: string, caller: Caller): Promise<ChatLine[]> {
  const pages: ChatLine[][] = [];
  for (let before = ""; ; ) {
    const page = await caller.call({ method: "GET", path: `/chats/${name}/messages?limit=${pageMax}${before}` });
    pages.unshift(page?.body?.messages ?? []);
    if (page?.body?.has_more !== true) return pages.flat();
    before = `&before=${page.body.before}`;
  }
}

export interface ChatVerdict {
  problems: string[];
  accepted: number;
  lost: number;
  doubled: number;
  /** How many were answered by a session behind the one that they were to have. */
  replaced: number;
  outcomes: Record<string, number>;
}

/** Each accepted message has one session that answers it, one outcome, and was given to an agent once at most. */
export function checkChat(chat: ChatTale, folders: CheckedFolders): ChatVerdict {
  const verdict: ChatVerdict = {
    problems: chat.faults.map((fault) => `${chat.name}: ${fault}`),
    ...{ accepted: chat.accepted.size, lost: 0, doubled: 0, replaced: 0, outcomes: {} },
  };
  if (!chat.end) {
    if (chat.accepted.size > 0) verdict.problems.push(`${chat.name}: it took messages and is not there`);
    return verdict;
  }
  const found = chat.end.chain.map((id) => sessionOf(id, folders));
  for (const text of chat.sent) checkMessage(text, { chat, found, end: chat.end, verdict });
  return verdict;
}

interface FoundSession {
  id: string;
  /** How the turns of each text ended. */
  statuses: Map<string, string[]>;
  got: ReadonlyMap<string, number>;
}

function sessionOf(id: string, { dataDir, journalDir }: CheckedFolders): FoundSession {
  const statuses = new Map<string, string[]>();
  const texts = new Map<string, string>();
  const lines = readFileSync(join(dataDir, "sessions", id, "events.ndjson"), "utf8")
    .split("\n")
    .slice(0, -1);
  for (const line of lines) {
    if (!/^\{"type":"(?:user_message|result)"/.test(line)) continue;
    const { type, data } = JSON.parse(line);
    if (type === "user_message") {
      texts.set(data.turn_id, data.text);
      statuses.set(data.text, statuses.get(data.text) ?? []);
    } else statuses.get(texts.get(data.turn_id) ?? "")?.push(data.status);
  }
  return { id, statuses, got: journalOf(journalDir, id).got };
}

interface Checked {
  chat: ChatTale;
  found: readonly FoundSession[];
  end: NonNullable<ChatTale["end"]>;
  verdict: ChatVerdict;
}

function checkMessage(text: string, { chat, found, end, verdict }: Checked): void {
  const blame = (what: string) => verdict.problems.push(`${chat.name}: ${what}: ${text}`);
  const given = found.reduce((sum, { got }) => sum + (got.get(text) ?? 0), 0);
  const holders = found.filter(({ statuses }) => statuses.has(text));
  const answering = holders.filter(({ id }) => end.replaced[id] === undefined);
  const failures = failuresOf(text, end.said);
  if (given > 1) {
    verdict.doubled += 1;
    blame(`agents were given it ${given} times`);
  }
  if (answering.length + failures > 1) {
    verdict.doubled += 1;
    blame(`${answering.length} sessions answer it, and it failed ${failures} times`);
  }
  if (chat.refused.has(text) && holders.length + given + failures > 0) blame("it was refused, and is in the chat");
  const told = chat.accepted.get(text);
  if (told === undefined) return;
  if (answering.length + failures === 0) {
    verdict.lost += 1;
    blame("it was accepted, and nothing came of it");
  }
  for (const { id, statuses, got } of holders.filter((holder) => !answering.includes(holder))) {
    verdict.replaced += 1;
    if (got.has(text) || statuses.get(text)?.join() !== "aborted")
      blame(
        `${id} was replaced, ended ${statuses.get(text)?.join()} and its agent was given it ${got.get(text) ?? 0} times`,
      );
  }
  for (const { id, statuses } of answering)
    checkAnswer({ id, status: statuses.get(text) ?? [], given, told, end }, blame, verdict);
  const said = end.said.filter(({ type, data }) => type === "user_message" && data["text"] === text).length;
  if (said !== holders.length + failures)
    blame(`the history has it ${said} times, the logs ${holders.length + failures}`);
}

function checkAnswer(
  { id, status, given, told, end }: { id: string; status: string[]; given: number; told: string; end: Checked["end"] },
  blame: (what: string) => void,
  verdict: ChatVerdict,
): void {
  let heir = told;
  while (end.replaced[heir] !== undefined) heir = end.replaced[heir] ?? "";
  if (heir !== id) blame(`it was accepted for ${told}, and ${id} answers it`);
  const [only = "none", ...more] = status;
  if (only === "none" || more.length > 0) blame(`its outcomes are ${status.join(", ") || "none"}`);
  if (only === "success" && given !== 1) blame(`it ended in success, and agents were given it ${given} times`);
  verdict.outcomes[only] = (verdict.outcomes[only] ?? 0) + 1;
}

/** A message whose session could not be begun stands in the history with an error behind it. */
function failuresOf(text: string, said: readonly ChatLine[]): number {
  return said.filter(
    ({ type, data, session_id }, at) =>
      type === "user_message" &&
      data["text"] === text &&
      data["turn_id"] === null &&
      said[at + 1]?.type === "error" &&
      said[at + 1]?.session_id === session_id,
  ).length;
}
