/** A tool call: one line, which opens to what went in and what came out. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import type { LogLine } from "../../protocol/line.ts";
import { DiffView } from "../text/diff-view.tsx";
import { besidesEdits, editsOf } from "../text/edits.ts";
import { countText, durationText } from "../text/format.ts";
import { firstLine, shownOutput, shownValue } from "../text/shown.ts";

/** So much at first: of a longer one all is a press away. */
const charsMax = 200_000;
/** Of its input, what tells one call from another at a glance. */
const tellingKeys = ["command", "file_path", "filePath", "path", "pattern", "query", "url", "description", "prompt"];

export function ToolView(props: { lines: readonly LogLine[]; isOpen: boolean; onToggle(): void }) {
  const call = props.lines.find((line) => line.type === "tool_use")?.data;
  const result = props.lines.find((line) => line.type === "tool_result")?.data;
  const name = visible(call?.name ?? result?.name ?? "tool");
  const title = callTitle(call?.input);
  const standing = result ? (result.is_error ? "failed" : durationText(result.duration_ms)) : "runs";
  return (
    <>
      <button type="button" class="call" aria-expanded={props.isOpen} onClick={props.onToggle}>
        <span class="fold" aria-hidden="true">
          {props.isOpen ? "▾" : "▸"}
        </span>
        <strong>{call?.server === undefined ? name : `${visible(call.server)}/${name}`}</strong>
        <span class="title">{title}</span>
        <span class="standing">{standing}</span>
      </button>
      {props.isOpen && (
        <div class="opened">
          {call && <ToolInput kind={call.kind} input={call.input} />}
          {result && (
            <Scrolling class={result.is_error ? "stderr" : "stdout"}>
              {result.synthetic ? "(the agent never reported a result)" : shownOutput(result.output)}
            </Scrolling>
          )}
        </div>
      )}
    </>
  );
}

/** Tools that change files: what they change is shown as such. */
const changing: ReadonlySet<string> = new Set(["edit", "delete", "move"]);

/** What a tool is called with: changes of files as such, where it edits, and all else as it is. No field is left out. */
export function ToolInput({ kind, input }: { kind: string; input: unknown }) {
  return useMemo(() => {
    const edits = changing.has(kind) ? editsOf(input) : undefined;
    if (!edits) return <Scrolling class="input">{shownValue(input)}</Scrolling>;
    const rest = besidesEdits(input);
    return (
      <>
        <DiffView edits={edits} />
        {Object.keys(rest).length > 0 && <Scrolling class="input">{shownValue(rest)}</Scrolling>}
      </>
    );
  }, [kind, input]);
}

function Scrolling({ class: name, children }: { class: string; children: string }) {
  const isWhole = useSignal(children.length <= charsMax);
  const shown = isWhole.value ? children : `${children.slice(0, charsMax)}\n…`;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <pre class={name} tabIndex={0}>
        {shown === "" ? "(nothing)" : shown}
      </pre>
      {!isWhole.value && (
        <button type="button" class="link" onClick={() => (isWhole.value = true)}>
          Show {countText(children.length - charsMax)} more characters
        </button>
      )}
    </>
  );
}

/** What tells a call from another at a glance, in a line; empty when it is called with nothing. */
export function callTitle(input: unknown): string {
  if (typeof input !== "object" || input === null) return "";
  const key = tellingKeys.find((name) => Object.hasOwn(input, name));
  const value: unknown = key === undefined ? undefined : (input as Readonly<Record<string, unknown>>)[key];
  if (typeof value === "string") return firstLine(value, 160);
  const text = JSON.stringify(input);
  return text === "{}" ? "" : firstLine(text, 160);
}
