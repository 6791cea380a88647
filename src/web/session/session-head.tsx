/** Above a session: what it is, how it stands, what it has used, and how to end it. */
import { visible } from "../../client/visible.ts";
import type { SessionView } from "../../protocol/http.ts";
import { bytesText, costText, countText } from "../text/format.ts";
import type { Follower } from "./follower.ts";

interface SessionHeadProps {
  follower: Follower;
  onInterrupt(): Promise<unknown>;
  /** Both ask first. */
  onStop(): void;
  onDelete(): void;
}

export function SessionHead({ follower, onInterrupt, onStop, onDelete }: SessionHeadProps) {
  follower.thread.version.value;
  const { conversation } = follower.thread;
  const view = follower.view.value;
  const isOver = conversation.exit !== undefined || view?.ended_at !== undefined;
  return (
    <header class="head">
      <h1>{view ? visible(view.name ?? view.session_id.slice(0, 8)) : follower.id.slice(0, 8)}</h1>
      {view && <Standing view={view} doing={isOver ? "" : conversation.doing} />}
      {view && <Figures view={view} />}
      {view && conversation.start > 0 && (
        <span class="dim" role="status">
          the last {bytesText(conversation.offset - conversation.start)} of {bytesText(conversation.offset)}
        </span>
      )}
      {view && (
        <span class="acts">
          {!isOver && (
            <>
              <button type="button" disabled={view.activity === "idle"} onClick={() => void onInterrupt()}>
                Interrupt <kbd>i</kbd>
              </button>
              <button type="button" class="danger" onClick={onStop}>
                Stop <kbd>x</kbd>
              </button>
            </>
          )}
          <button type="button" class="danger" onClick={onDelete}>
            Delete <kbd>X</kbd>
          </button>
        </span>
      )}
    </header>
  );
}

function Standing({ view, doing }: { view: SessionView; doing: string }) {
  const word = view.ended_at === undefined ? (view.activity ?? view.status) : view.status;
  return (
    <span class={`state is-${word}`} role="status">
      {word.replaceAll("_", " ")}
      {view.end_reason !== undefined && view.end_reason !== "finished" && ` (${view.end_reason.replaceAll("_", " ")})`}
      {doing !== "" && word === "busy" && ` · ${doing}`}
      {view.queue.length > 0 && ` · ${view.queue.length} queued`}
    </span>
  );
}

function tokensOf({ input_tokens = 0, output_tokens = 0 }: SessionView): number {
  return input_tokens + output_tokens;
}

function Figures({ view }: { view: SessionView }) {
  const facts = [
    visible(view.agent),
    ...(view.model === undefined ? [] : [visible(view.model)]),
    ...(view.turn_count === 0 ? [] : [`${view.turn_count} ${view.turn_count === 1 ? "turn" : "turns"}`]),
    ...(tokensOf(view) === 0
      ? []
      : [`${countText(view.input_tokens ?? 0)} in, ${countText(view.output_tokens ?? 0)} out`]),
    ...(view.cost_usd === undefined || view.cost_usd === null ? [] : [costText(view.cost_usd)]),
  ];
  return <span class="dim">{facts.join(" · ")}</span>;
}
