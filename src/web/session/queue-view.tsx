/** The prompts that wait for their turn, each of which may be taken back. */
import type { SessionView } from "../../protocol/http.ts";
import { firstLine } from "../text/shown.ts";

/** Those that are next; more are counted. */
const shownMax = 5;

export function QueueView({ view, onWithdraw }: { view: SessionView; onWithdraw(turnId: string): Promise<unknown> }) {
  const { queue } = view;
  if (queue.length === 0) return null;
  return (
    <section class="queue" aria-label="Queue">
      <ol>
        {queue.slice(0, shownMax).map(({ turn_id, text }) => (
          <li key={turn_id}>
            <span class="dim">{turn_id}</span>
            <span class="title">{firstLine(text, 200)}</span>
            <button type="button" aria-label={`Withdraw ${turn_id}`} onClick={() => void onWithdraw(turn_id)}>
              Withdraw
            </button>
          </li>
        ))}
      </ol>
      {queue.length > shownMax && <p class="dim">… and {queue.length - shownMax} more</p>}
    </section>
  );
}
