/**
 * What a real agent said, against what its scripted model had it say: pieces are numbered from 1 within each answer, and
 * each call of a tool is of a file of its own.
 */
import type { LoggedEvent } from "../support/client-socket.ts";
import type { Heard } from "./model-diary.ts";

interface Held {
  sent: ReadonlySet<string>;
  heard(text: string): Heard;
  verdict: { numbers: number; lost: number; doubled: number };
  blame(what: string): void;
}

interface Item {
  deltas: string;
  whole: string | undefined;
  seq: number;
}

/** Each answer has its numbers in order, without a hole; one of a turn that went well has all of them, and its calls. */
export function checkPieces(events: readonly LoggedEvent[], held: Held): void {
  const items = itemsOf(events);
  const counts = new Map<string, number[]>();
  for (const { turnId, item } of items) {
    const streamed = countedIn(item.deltas, item, held);
    held.verdict.numbers += streamed;
    if (item.whole === undefined) continue;
    const whole = countedIn(item.whole, item, held);
    // The longer one is what was said: what of it the other lacks is told once.
    counts.set(turnId, [...(counts.get(turnId) ?? []), Math.max(whole, streamed)]);
    if (whole === streamed || item.deltas === "") continue;
    held.verdict.lost += Math.abs(whole - streamed);
    held.blame(`of one answer ${streamed} pieces are in the log, and ${whole} in its whole text at seq ${item.seq}`);
  }
  checkPromised(events, counts, held);
}

function itemsOf(events: readonly LoggedEvent[]): { turnId: string; item: Item }[] {
  const items = new Map<string, { turnId: string; item: Item }>();
  for (const { type, data, seq } of events) {
    if (type !== "agent_message") continue;
    const turnId = String(data["turn_id"]);
    const key = `${turnId} ${data["item_id"]}`;
    const found = items.get(key) ?? { turnId, item: { deltas: "", whole: undefined, seq } };
    items.set(key, found);
    if (data["delta"] === true) found.item.deltas += String(data["text"]);
    // It closes pieces that the agent itself has taken back: how far they came is nobody's promise.
    else if (data["superseded"] !== true) found.item.whole = `${found.item.whole ?? ""}${data["text"]}`;
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
 * What the model has answered whole to what was said last in a turn that ended in success. Codex 0.169 takes back the answer that it
 * is getting when it is steered, also one that has left whole.
 */
function checkPromised(
  events: readonly LoggedEvent[],
  counts: ReadonlyMap<string, readonly number[]>,
  held: Held,
): void {
  const wellDone = new Set(
    events
      .filter(({ type, data }) => type === "result" && data["status"] === "success")
      .map(({ data }) => String(data["turn_id"])),
  );
  const said = events.filter(({ type }) => type === "user_message");
  const last = new Map(said.map(({ data, seq }) => [String(data["turn_id"]), seq]));
  for (const { data, seq } of said) {
    const text = String(data["text"]);
    if (!held.sent.has(text)) continue;
    const turnId = String(data["turn_id"]);
    const { answers } = held.heard(text);
    const isPromised = answers > 0 && wellDone.has(turnId) && last.get(turnId) === seq;
    checkCall(text, { events, answers, isPromised, held });
    const pieces = Number(/\[\[count:(\d+)/.exec(text)?.[1] ?? 0);
    if (!isPromised || pieces === 0 || counts.get(turnId)?.includes(pieces)) continue;
    held.verdict.lost += pieces;
    held.blame(`its model answered ${pieces} pieces, the log has ${counts.get(turnId)?.join(", ") || "none"}: ${text}`);
  }
}

function checkCall(
  text: string,
  found: { events: readonly LoggedEvent[]; answers: number; isPromised: boolean; held: Held },
): void {
  const file = /\[\[bash:touch (\S+)\]\]/.exec(text)?.[1];
  if (file === undefined) return;
  const { events, answers, isPromised, held } = found;
  const calls = events.filter(({ type, data }) => type === "tool_use" && JSON.stringify(data["input"]).includes(file));
  held.verdict.numbers += calls.length;
  if (calls.length > 1) {
    held.verdict.doubled += calls.length - 1;
    held.blame(`its model asked for ${file} once, the log has it ${calls.length} times (${answers} answers): ${text}`);
  }
  if (!isPromised || calls.length > 0) return;
  held.verdict.lost += 1;
  held.blame(`its model asked for ${file}, the log does not have it: ${text}`);
}
