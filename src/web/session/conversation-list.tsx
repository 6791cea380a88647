/** The conversation as a list that may be of any length, with a cursor, folds, and a search in the whole log. */
import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { useKeys } from "../page/keys.ts";
import type { Follower } from "./follower.ts";
import type { Item } from "./item-table.ts";
import { AgentText, ItemView } from "./item-view.tsx";
import { searchLog } from "./search-log.ts";
import { type ListPlace, VirtualList } from "./virtual-list.tsx";

export function ConversationList({ follower, place }: { follower: Follower; place: ListPlace }) {
  const { conversation, reader } = follower;
  const cursor = useSignal<number | undefined>(undefined);
  const opened = useMemo(() => new Set<number>(), [follower]);
  // Drawn anew when something came, was read again, or opened.
  follower.version.value;
  const { count } = conversation.items;
  const move = (to: number) => {
    if (count === 0) return;
    cursor.value = Math.max(0, Math.min(count - 1, to));
    place.isAtEnd = false;
    place.show(cursor.value);
    follower.version.value++;
  };
  const toggle = (index: number) => {
    if (!opened.delete(index)) opened.add(index);
    place.isAtEnd = false;
    follower.version.value++;
  };
  const firstShown = () => place.heights.indexAt(place.listTop);
  useKeys({
    j: () => move(cursor.value === undefined ? firstShown() : cursor.value + 1),
    k: () => move(cursor.value === undefined ? firstShown() : cursor.value - 1),
    g: () => move(0),
    G: () => {
      move(count - 1);
      place.toEnd();
    },
    Enter: () => {
      if (cursor.value !== undefined) toggle(cursor.value);
    },
  });
  return (
    <>
      <Search
        follower={follower}
        onFound={(index) => {
          // What was found may be within a call.
          opened.add(index);
          move(index);
        }}
      />
      <div class="conversation">
        <VirtualList
          place={place}
          count={count}
          label="Conversation"
          cursor={cursor.value}
          estimate={(index) => estimate(conversation.items.at(index))}
          rowClass={(index) => classOf(conversation.items.at(index))}
          row={(index) => {
            const open = conversation.openText(index);
            if (open !== undefined) return <AgentText text={open} wasTakenBack={false} />;
            const lines = conversation.lines.get(index);
            if (!lines) return <p class="dim">…</p>;
            return <ItemView lines={lines} isOpen={opened.has(index)} onToggle={() => toggle(index)} />;
          }}
          onShown={(first, last) => {
            const missing: number[] = [];
            for (let index = first; index <= Math.min(last, count - 1); index++)
              if (!conversation.lines.get(index) && conversation.openText(index) === undefined) missing.push(index);
            reader.want(missing);
          }}
        />
        {count === 0 && <p class="dim empty">Nothing yet.</p>}
      </div>
    </>
  );
}

function Search({ follower, onFound }: { follower: Follower; onFound(index: number): void }) {
  const field = useRef<HTMLInputElement>(null);
  const outcome = useSignal("");
  const searched = useRef<AbortController | undefined>(undefined);
  useKeys({ "/": () => field.current?.focus() });
  const search = async (event: Event) => {
    event.preventDefault();
    searched.current?.abort();
    const stop = new AbortController();
    searched.current = stop;
    outcome.value = "searching…";
    try {
      const words = field.current?.value ?? "";
      const found = await searchLog(follower, words, stop.signal);
      if (stop.signal.aborted) return;
      outcome.value = found === undefined ? "not found" : "";
      if (found !== undefined) onFound(found);
    } catch (error) {
      outcome.value = "";
      follower.note(error);
    }
  };
  return (
    <search>
      <form class="search" onSubmit={search}>
        <input ref={field} type="search" aria-label="Search in this session" placeholder="Search (Enter: next)" />
        <span role="status" class="dim">
          {outcome.value}
        </span>
      </form>
    </search>
  );
}

function classOf({ kind, isSub, hasFailed }: Item): string {
  return `item ${kind}${isSub ? " sub" : ""}${hasFailed ? " failed" : ""}`;
}

/** A guess, until it is drawn. */
function estimate({ kind, span }: Item): number {
  const bytes = span.end - span.start;
  if (kind === "tool" || kind === "note" || kind === "result" || kind === "exit") return 44;
  if (kind === "output") return Math.min(1000, 20 + bytes / 5);
  return Math.min(1200, 50 + Math.max(0, bytes - 200) / 4);
}
