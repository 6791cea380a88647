/** A tool call: one line, which opens to what went in and what came out. */
import { useMemo } from "preact/hooks";
import { visible } from "../../client/visible.ts";
import type { LogLine } from "../../protocol/line.ts";
import { DiffView } from "../text/diff-view.tsx";
import { besidesEdits, editsOf } from "../text/edits.ts";
import { durationText } from "../text/format.ts";
import { firstLine, shownOutput, shownValue } from "../text/shown.ts";

const outputCharsMax = 200_000;
/** Of its input, what tells one call from another at a glance. */
const tellingKeys = ["command", "file_path", "filePath", "path", "pattern", "query", "url", "description", "prompt"];

export function ToolView(props: { lines: readonly LogLine[]; isOpen: boolean; onToggle(): void }) {
  const call = props.lines.find((line) => line.type === "tool_use")?.data;
  const result = props.lines.find((line) => line.type === "tool_result")?.data;
  const name = visible(call?.name ?? result?.name ?? "tool");
  const title = titleOf(call?.input);
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
              {result.synthetic ? "(the agent never reported a result)" : shortened(shownOutput(result.output))}
            </Scrolling>
          )}
        </div>
      )}
    </>
  );
}

/** What a tool is called with: changes of files as such, where it edits, and all else as it is. No field is left out. */
export function ToolInput({ kind, input }: { kind: string; input: unknown }) {
  return useMemo(() => {
    const edits = kind === "edit" ? editsOf(input) : undefined;
    if (!edits) return <Scrolling class="input">{shortened(shownValue(input))}</Scrolling>;
    const rest = besidesEdits(input);
    return (
      <>
        <DiffView edits={edits} />
        {Object.keys(rest).length > 0 && <Scrolling class="input">{shortened(shownValue(rest))}</Scrolling>}
      </>
    );
  }, [kind, input]);
}

function Scrolling({ class: name, children }: { class: string; children: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <pre class={name} tabIndex={0}>
      {children === "" ? "(nothing)" : children}
    </pre>
  );
}

function titleOf(input: unknown): string {
  if (typeof input !== "object" || input === null) return "";
  const key = tellingKeys.find((name) => Object.hasOwn(input, name));
  const value: unknown = key === undefined ? undefined : (input as Readonly<Record<string, unknown>>)[key];
  if (typeof value === "string") return firstLine(value, 160);
  const text = JSON.stringify(input);
  return text === "{}" ? "" : firstLine(text, 160);
}

function shortened(text: string): string {
  if (text.length <= outputCharsMax) return text;
  return `${text.slice(0, outputCharsMax)}\n… ${text.length - outputCharsMax} more characters; the log has them`;
}
