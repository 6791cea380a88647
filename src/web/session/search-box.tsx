/** Where a session is searched, how far that has come, and how to stop it. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useKeys } from "../page/keys.ts";
import { bytesText, momentText } from "../text/format.ts";
import { firstLine } from "../text/shown.ts";
import type { Found, LogSearch, SearchAsked, SearchProgress } from "./search-log.ts";

const excerptChars = 300;

export interface SearchBoxProps {
  search: LogSearch;
  /** Before that there is nothing in which anything could be found. */
  isReady: boolean;
  onFound(key: number): void;
  onFault(error: unknown): void;
}

export function SearchBox({ search, isReady, onFound, onFault }: SearchBoxProps) {
  const field = useRef<HTMLInputElement>(null);
  const outcome = useSignal("");
  const progress = useSignal<SearchProgress | undefined>(undefined);
  const searched = useRef<AbortController | undefined>(undefined);
  const stop = () => {
    searched.current?.abort();
    searched.current = undefined;
  };
  useEffect(() => stop, []);
  useKeys({ "/": () => field.current?.focus() });
  const look = async (direction: SearchAsked["direction"]) => {
    stop();
    const own = new AbortController();
    searched.current = own;
    const words = field.current?.value ?? "";
    const onProgress = (step: SearchProgress) => {
      if (!own.signal.aborted) progress.value = step;
    };
    outcome.value = "searching…";
    progress.value = undefined;
    try {
      const found = await search.next({ words, direction, signal: own.signal, onProgress });
      if (own.signal.aborted) return;
      outcome.value = outcomeText(found, { words, direction });
      if (found?.key !== undefined) onFound(found.key);
    } catch (error) {
      if (own.signal.aborted) return;
      outcome.value = "";
      onFault(error);
    }
    progress.value = undefined;
    searched.current = undefined;
  };
  const end = () => {
    stop();
    progress.value = undefined;
    outcome.value = "stopped; the same words go on from there";
  };
  return (
    <search>
      <form
        class="search"
        onSubmit={(event) => {
          event.preventDefault();
          void look("up");
        }}
      >
        <input
          ref={field}
          type="search"
          disabled={!isReady}
          aria-label="Search in this session"
          placeholder="Search, the newest first"
          onKeyDown={(event) => {
            if (event.key === "Escape" && progress.value) end();
            if (event.key !== "Enter" || !event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void look("down");
          }}
        />
        <button type="submit" class="quiet" disabled={!isReady} aria-label="Search further up" title="Enter">
          ↑
        </button>
        <button
          type="button"
          class="quiet"
          disabled={!isReady}
          aria-label="Search further down"
          title="Shift+Enter"
          onClick={() => void look("down")}
        >
          ↓
        </button>
        <span role="status" class="dim">
          {progress.value ? wordOf[progress.value.act] : outcome.value}
        </span>
        {progress.value && <Progress of={progress.value} onStop={end} />}
      </form>
    </search>
  );
}

function outcomeText(found: Found | undefined, { words, direction }: Pick<SearchAsked, "words" | "direction">): string {
  if (words.trim() === "") return "";
  if (!found) return `not found further ${direction}`;
  const { at, key, excerpt } = found;
  if (key !== undefined) return momentText(at);
  return `${momentText(at)}, too far up to be shown with all that follows: ${firstLine(excerpt, excerptChars)}`;
}

const wordOf = { searching: "searching…", reading: "found; what follows is read…" } as const;

/** Not told as it grows: whoever listens hears the beginning and the end of it. */
function Progress({ of, onStop }: { of: SearchProgress; onStop(): void }) {
  const { doneBytes, ofBytes, at } = of;
  return (
    <>
      <progress max={ofBytes} value={doneBytes} aria-label="How much was searched" />
      <span class="dim">
        {bytesText(doneBytes)} of {bytesText(ofBytes)}
        {at !== undefined && of.act === "searching" && `, ${momentText(at)}`}
      </span>
      <button type="button" onClick={onStop}>
        Stop search
      </button>
    </>
  );
}
