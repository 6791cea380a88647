/** The turns of a session in time: how long each took, and what it used. */
import { costText, countText, durationText } from "../text/format.ts";
import type { Turn } from "./conversation.ts";
import type { Thread } from "./thread.ts";

/** More of them no table is read for. */
const shownMax = 500;

export function TurnsView({ thread, onShow }: { thread: Thread; onShow(key: number): void }) {
  thread.version.value;
  const turns = thread.conversation.turns.slice(-shownMax);
  if (turns.length === 0) return <p class="dim empty">No turn yet.</p>;
  const tokensMax = Math.max(1, ...turns.map(tokensOf));
  const costMax = Math.max(0.000001, ...turns.map(({ costUsd }) => costUsd ?? 0));
  const from = Math.min(...turns.map(({ startedAt }) => startedAt));
  const to = Math.max(...turns.map((turn) => turn.endedAt ?? turn.startedAt), from + 1);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section class="scrolls" tabIndex={0} aria-label="Turns">
      {thread.conversation.start > 0 && (
        <p class="dim">
          Of what was read of the log.{" "}
          {thread.past.hasMore && (
            <button type="button" class="link" onClick={() => thread.wantEarlier()}>
              Read further back
            </button>
          )}
        </p>
      )}
      <Timeline turns={turns} from={from} to={to} />
      <table class="stacked">
        <thead>
          <tr>
            {["Turn", "Status", "Took", "Tools", "Tokens", "Cost"].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {turns.map((turn) => (
            <tr key={turn.id}>
              <th scope="row">
                <button type="button" class="link" onClick={() => onShow(turn.index)}>
                  {turn.id}
                </button>{" "}
                <span class="dim">{turn.title}</span>
              </th>
              <td class={`state is-${turn.status ?? "open"}`}>{turn.status ?? "open"}</td>
              <td data-label="took">
                {turn.endedAt === undefined ? "–" : durationText(turn.endedAt - turn.startedAt)}
              </td>
              <td data-label="tools">{turn.toolCount}</td>
              <td data-label="tokens">
                {turn.usage ? `${countText(inputOf(turn))} in, ${countText(turn.usage.output_tokens)} out` : "–"}
                <Bar share={tokensOf(turn) / tokensMax} />
              </td>
              <td data-label="cost">
                {costText(turn.costUsd)}
                <Bar share={(turn.costUsd ?? 0) / costMax} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

const width = 1000;
const laneHeight = 10;

/** Turns from left to right: what ran when, and for how long. Its figures stand in the table below. */
function Timeline({ turns, from, to }: { turns: readonly Turn[]; from: number; to: number }) {
  const x = (at: number) => ((at - from) / (to - from)) * width;
  const lanes = Math.min(turns.length, 8);
  return (
    <svg
      class="timeline"
      viewBox={`0 0 ${width} ${lanes * laneHeight}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${turns.length} turns in ${durationText(to - from)}`}
    >
      {turns.map((turn, at) => (
        <rect
          key={turn.id}
          class={`is-${turn.status ?? "open"}`}
          x={x(turn.startedAt)}
          y={(at % lanes) * laneHeight + 1}
          width={Math.max(3, x(turn.endedAt ?? to) - x(turn.startedAt))}
          height={laneHeight - 2}
          rx={2}
        />
      ))}
    </svg>
  );
}

function Bar({ share }: { share: number }) {
  return (
    <svg class="bar-of" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
      <rect x={0} y={0} width={Math.max(0, Math.min(1, share)) * 100} height={4} />
    </svg>
  );
}

function inputOf({ usage }: Turn): number {
  return usage ? usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens : 0;
}

function tokensOf(turn: Turn): number {
  return inputOf(turn) + (turn.usage?.output_tokens ?? 0);
}
