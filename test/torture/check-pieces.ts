/**
 * What a real agent said, against what its scripted model had it say: pieces are numbered from 1 within each answer, and
 * each call of a tool is of a file of its own.
 */
import type { LoggedEvent } from "../support/client-socket.ts";

interface Held {
  sent: ReadonlySet<string>;
  verdict: { numbers: number; lost: number; doubled: number };
  blame(what: string): void;
}

interface Item {
  deltas: string;
  whole: string | undefined;
  seq: number;
}

/** Each answer has its numbers in order, without a hole, in pieces as in its whole text. */
export function checkPieces(events: readonly LoggedEvent[], held: Held): void {
  const items = itemsOf(events);
  for (const item of items) {
    const streamed = countedIn(item.deltas, item, held);
    held.verdict.numbers += streamed;
    if (item.whole === undefined) continue;
    const whole = countedIn(item.whole, item, held);
    if (whole === streamed || item.deltas === "") continue;
    held.verdict.lost += Math.abs(whole - streamed);
    held.blame(`of one answer ${streamed} pieces are in the log, and ${whole} in its whole text at seq ${item.seq}`);
  }
  checkCalls(events, held);
}

function itemsOf(events: readonly LoggedEvent[]): Item[] {
  const items = new Map<string, Item>();
  for (const { type, data, seq } of events) {
    if (type !== "agent_message") continue;
    const key = `${data["turn_id"]} ${data["item_id"]}`;
    const found = items.get(key) ?? { deltas: "", whole: undefined, seq };
    items.set(key, found);
    if (data["delta"] === true) found.deltas += String(data["text"]);
    // It closes pieces that the agent itself has taken back: how far they came is nobody's promise.
    else if (data["superseded"] !== true) found.whole = `${found.whole ?? ""}${data["text"]}`;
  }
  return [...items.values()];
}

/** How far the numbers in a text come. */
function countedIn(text: string, { seq }: Item, { verdict, blame }: Held): number {
  let last = 0;
  for (const [, digits] of text.matchAll(/#(\d+);/g)) {
    const number = Number(digits);
    if (number !== last + 1) blame(`piece ${number} follows ${last} in the answer at seq ${seq}`);
    if (number <= last) verdict.doubled += 1;
    else verdict.lost += number - last - 1;
    last = Math.max(last, number);
  }
  return last;
}

/**
 * No call comes twice. That one is missing, or an answer altogether, is not judged: Codex 0.169 takes back what it is getting when it is
 * steered, also an answer that has left its model whole.
 */
function checkCalls(events: readonly LoggedEvent[], { sent, verdict, blame }: Held): void {
  for (const { type, data } of events) {
    const text = String(data["text"]);
    const file = /\[\[bash:touch (\S+)\]\]/.exec(text)?.[1];
    if (type !== "user_message" || !sent.has(text) || file === undefined) continue;
    const calls = events.filter(
      ({ type, data }) => type === "tool_use" && JSON.stringify(data["input"]).includes(file),
    );
    verdict.numbers += calls.length;
    if (calls.length <= 1) continue;
    verdict.doubled += calls.length - 1;
    blame(`its model asked for ${file} once, the log has it ${calls.length} times: ${text}`);
  }
}
