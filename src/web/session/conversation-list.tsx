/** The conversation as a list that may be of any length, with a cursor, folds, and a search in the whole log. */
import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { useKeys } from "../page/keys.ts";
import type { Item } from "./item-table.ts";
import { AgentText, ItemView } from "./item-view.tsx";
import { SearchBox } from "./search-box.tsx";
import type { Thread } from "./thread.ts";
import { type ListPlace, VirtualList } from "./virtual-list.tsx";

/** So near to the first row that what stands before it is read. */
const nearRows = 40;

export function ConversationList({ thread, place }: { thread: Thread; place: ListPlace }) {
  const { conversation, reader } = thread;
  // Keys of items: they stay what they are when others are put before them.
  const cursor = useSignal<number | undefined>(undefined);
  const opened = useMemo(() => new Set<number>(), [thread]);
  // Drawn anew when something came, was read again, or opened.
  thread.version.value;
  const { count, first } = conversation.items;
  const last = first + count - 1;
  const move = (to: number) => {
    if (count === 0) return;
    cursor.value = Math.max(first, Math.min(last, to));
    place.isAtEnd = false;
    place.show(cursor.value - place.firstKey);
    thread.version.value++;
  };
  useEffect(() => {
    const { toShow } = place;
    // What is done after a frame may belong to an earlier drawing, which did not have the row yet.
    if (toShow === undefined || toShow < first) return;
    place.toShow = undefined;
    place.bring(toShow - place.firstKey);
    move(toShow);
  });
  const toggle = (key: number) => {
    if (!opened.delete(key)) opened.add(key);
    place.isAtEnd = false;
    thread.version.value++;
  };
  const firstShown = () => place.firstKey + place.heights.indexAt(place.listTop);
  useKeys({
    j: () => move(cursor.value === undefined ? firstShown() : cursor.value + 1),
    k: () => move(cursor.value === undefined ? firstShown() : cursor.value - 1),
    g: () => move(first),
    G: () => {
      move(last);
      place.toEnd();
    },
    Enter: () => {
      if (cursor.value !== undefined) toggle(cursor.value);
    },
  });
  return (
    <>
      {thread.logSearch && (
        <SearchBox
          search={thread.logSearch}
          isReady={thread.isOpened}
          onFault={(error) => thread.faults.note(error)}
          onFound={(key) => {
            // What was found may be within a call.
            opened.add(key);
            place.toShow = key;
            thread.version.value++;
          }}
        />
      )}
      <div class="conversation">
        <VirtualList
          place={place}
          firstKey={first}
          count={count}
          label="Conversation"
          cursor={cursor.value === undefined ? undefined : cursor.value - first}
          estimate={(index) => estimate(conversation.items.at(first + index))}
          rowClass={(index) => classOf(conversation.items.at(first + index))}
          row={(index) => {
            const key = first + index;
            const open = conversation.openText(key);
            if (open !== undefined) return <AgentText text={open} wasTakenBack={false} />;
            const lines = conversation.lines.get(key);
            if (!lines) return <p class="dim">…</p>;
            return <ItemView lines={lines} isOpen={opened.has(key)} onToggle={() => toggle(key)} />;
          }}
          onShown={(from, to) => {
            const missing: number[] = [];
            for (let key = first + from; key <= Math.min(first + to, last); key++)
              if (!conversation.lines.get(key) && conversation.openText(key) === undefined) missing.push(key);
            reader.want(missing);
            if (from < nearRows) thread.wantEarlier();
          }}
        />
        {count === 0 && <p class="dim empty">{thread.isOpened ? "Nothing yet." : "…"}</p>}
      </div>
    </>
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
