/** What a log says of its turns: how many there were, and which have no result. */
import { defined } from "../protocol/defined.ts";
import type { EventOf } from "../protocol/event.ts";
import { readLines } from "./read-lines.ts";
import type { Session } from "./session.ts";
import { addResult, noTotals, type Totals } from "./totals.ts";
import type { Prompt } from "./turn-queue.ts";

export interface OpenTurns {
  /** The highest number that was given to a turn. */
  count: number;
  /** Prompts without a result, in the order they were accepted. */
  prompts: Prompt[];
  /** Turns that have one. */
  ended: ReadonlySet<string>;
  totals: Totals;
}

/** `onResult` is told of each result, oldest first. */
export async function openTurnsOf(
  session: Session,
  onResult: (result: EventOf<"result">["data"]) => void = () => {},
): Promise<OpenTurns> {
  const prompts = new Map<string, Prompt>();
  /** A steer that became a turn is recorded after the sidecar's answer; a quick result may stand before it. */
  const ended = new Set<string>();
  let count = 0;
  let totals = noTotals;
  for await (const line of readLines(session, /^\{"type":"(user_message|result|tool_use)"/)) {
    totals = addResult(totals, line);
    if (line.type !== "user_message" && line.type !== "result") continue;
    const { turn_id } = line.data;
    if (turn_id === null) continue;
    count = Math.max(count, Number(/^t(\d+)/.exec(turn_id)?.[1] ?? 0));
    if (line.type === "result") {
      prompts.delete(turn_id);
      ended.add(turn_id);
      onResult(line.data);
    } else if (line.data.kind === "prompt" && !ended.has(turn_id)) {
      const { text, images } = line.data;
      prompts.set(turn_id, { turnId: turn_id, text, ...defined({ images }) });
    }
  }
  return { count, prompts: [...prompts.values()], ended, totals };
}
