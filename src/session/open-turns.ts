/** What a log says of its turns: how many there were, and which have no result. */
import { defined } from "../protocol/defined.ts";
import { isUnpriced } from "./budget.ts";
import { type Checkpoint, linesSince } from "./checkpoint.ts";
import type { Damage } from "./line-damage.ts";
import type { PlacedLine, StoredLog } from "./read-lines.ts";
import { addResult, noTotals, type Totals, totalsOf } from "./totals.ts";
import type { Prompt } from "./turn-queue.ts";

/** Turns whose results are remembered: more than can end between two words of a sidecar. */
const endedMax = 256;

/** From the whole log, or from what lies behind a checkpoint that fits it. */
export async function openTurnsOf(log: StoredLog, checkpoint?: Checkpoint): Promise<OpenTurns> {
  const turns = new OpenTurns(checkpoint);
  const wanted = /^\{"type":"(user_message|result|tool_use)"/;
  const onDamage = (damage: Damage) => turns.damaged(damage);
  for await (const placed of linesSince(log, checkpoint, wanted, { onDamage })) turns.add(placed);
  return turns;
}

export class OpenTurns {
  readonly #offset: number;
  readonly #prompts = new Map<string, Prompt & { at: number }>();
  /** Those whose result may stand in a line that cannot be read. */
  readonly #doubtful = new Set<string>();
  /** A steer that became a turn is recorded after the sidecar's answer; a quick result may stand before it. */
  readonly #ended: Set<string>;
  #count: number;
  /** Lines in which one may have been given that is read nowhere else. */
  #unread = 0;
  #totals: Totals;
  #unpricedTurn: string | undefined;
  /** When a turn last ended; of those before a checkpoint that is not known. */
  #endedAt = 0;

  constructor(checkpoint?: Checkpoint) {
    this.#offset = checkpoint?.offset ?? 0;
    this.#ended = new Set(checkpoint?.ended);
    this.#count = checkpoint?.turn_count ?? 0;
    this.#totals = checkpoint ? totalsOf(checkpoint.totals) : noTotals;
    this.#unpricedTurn = checkpoint?.unpriced_turn;
  }

  /** The highest number that was given to a turn, as far as it can be read; numbers that nobody was given are no harm. */
  get count(): number {
    return this.#count + this.#unread;
  }

  /** Prompts without a result, in the order they were accepted. */
  get prompts(): Prompt[] {
    return [...this.#prompts.values()].map(({ at: _, ...prompt }) => ({
      ...prompt,
      ...(this.#doubtful.has(prompt.turnId) ? { isDoubtful: true } : {}),
    }));
  }

  /** The oldest of them, and since when it may have run: it was accepted, and the turn before it had ended. */
  get begun(): { turnId: string; at: number } | undefined {
    const [oldest] = this.#prompts.values();
    return oldest && { turnId: oldest.turnId, at: Math.max(oldest.at, this.#endedAt) };
  }

  /** The last turns that have one. */
  get ended(): ReadonlySet<string> {
    return this.#ended;
  }

  get totals(): Totals {
    return this.#totals;
  }

  /** The first turn whose cost is not known. */
  get unpricedTurn(): string | undefined {
    return this.#unpricedTurn;
  }

  /** A line cannot be read, or is missing: unless it says that it is another, it may have been the result of any that is open. */
  damaged({ type }: Pick<Damage, "type">): void {
    if (type === undefined || type === "user_message") this.#unread += 1;
    if (type !== undefined && type !== "result") return;
    for (const turnId of this.#prompts.keys()) this.#doubtful.add(turnId);
  }

  add({ at, line }: PlacedLine): void {
    // What was open at the checkpoint is counted in it already.
    if (at >= this.#offset) this.#totals = addResult(this.#totals, line);
    if (line.type !== "user_message" && line.type !== "result") return;
    const { turn_id } = line.data;
    if (turn_id === null) return;
    this.#count = Math.max(this.#count, Number(/^t(\d+)/.exec(turn_id)?.[1] ?? 0));
    if (line.type === "result") {
      this.#prompts.delete(turn_id);
      this.#doubtful.delete(turn_id);
      this.#ended.add(turn_id);
      this.#endedAt = Math.max(this.#endedAt, line.timestamp);
      const [oldest] = this.#ended;
      if (this.#ended.size > endedMax && oldest !== undefined) this.#ended.delete(oldest);
      if (isUnpriced(line.data)) this.#unpricedTurn ??= turn_id;
    } else if (line.data.kind === "prompt" && !this.#ended.has(turn_id)) {
      const { text, images } = line.data;
      this.#prompts.set(turn_id, { turnId: turn_id, text, ...defined({ images }), at: line.timestamp });
    }
  }
}
