/** Making a checkpoint, from the log itself: what it says is what reading the log would have said. */
import { type Checkpoint, linesSince, proofAt } from "./checkpoint.ts";
import type { Damage } from "./line-damage.ts";
import { OpenTurns } from "./open-turns.ts";
import type { PlacedLine, StoredLog } from "./read-lines.ts";
import { storedTotals } from "./totals.ts";

/** A log in which more is open is read as a whole. */
const openMax = 200;
/** Others have their turn in between: a daemon has more to do. */
const stepBytes = 64 * 1024;
const wanted =
  /^\{"type":"(user_message|result|tool_use|tool_result|agent_message|input_required|input_resolved|exit)"/;

/**
 * From the one before, if there is one. `log` ends where a line does, the one with this `seq`. Undefined when too much is open, or
 * it is in doubt what is.
 */
export async function checkpointOf(
  log: StoredLog,
  seq: number,
  earlier: Checkpoint | undefined,
): Promise<Checkpoint | undefined> {
  const turns = new OpenTurns(earlier);
  const open = new OpenLines();
  const onDamage = (damage: Damage) => turns.damaged(damage);
  for await (const placed of linesSince(log, earlier, wanted, { stepBytes, onDamage })) {
    turns.add(placed);
    open.add(placed, turns);
    if (open.size > openMax) return undefined;
  }
  const { count, totals, unpricedTurn, ended, prompts } = turns;
  if (prompts.some(({ isDoubtful }) => isDoubtful)) return undefined;
  return {
    offset: log.end,
    seq,
    proof: await proofAt(log, log.end),
    turn_count: count,
    totals: storedTotals(totals),
    ...(unpricedTurn === undefined ? {} : { unpriced_turn: unpricedTurn }),
    ended: [...ended],
    open: open.offsets,
  };
}

/** Where the lines are that a later one closes, in the order in which what they tell of was begun. */
class OpenLines {
  readonly #at = new Map<string, number>();

  get size(): number {
    return this.#at.size;
  }

  get offsets(): number[] {
    return [...this.#at.values()];
  }

  add({ at, line }: PlacedLine, { ended }: Pick<OpenTurns, "ended">): void {
    switch (line.type) {
      case "user_message": {
        const { turn_id, kind } = line.data;
        if (kind === "prompt" && turn_id !== null && !ended.has(turn_id)) this.#at.set(`turn ${turn_id}`, at);
        return;
      }
      case "result":
        this.#at.delete(`turn ${line.data.turn_id}`);
        return;
      case "input_required":
        this.#at.set(`question ${line.data.request_id}`, at);
        return;
      case "input_resolved":
        this.#at.delete(`question ${line.data.request_id}`);
        return;
      case "tool_use":
        this.#at.set(`call ${line.data.id}`, at);
        return;
      case "tool_result":
        this.#at.delete(`call ${line.data.id}`);
        return;
      case "agent_message":
        if (line.data.delta) this.#at.set(`text ${line.data.item_id}`, at);
        else this.#at.delete(`text ${line.data.item_id}`);
        return;
      default:
        return;
    }
  }
}
