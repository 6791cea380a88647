/** One part of a conversation. What it shows is text of an agent or of people: never more than text. */
import type { ComponentChildren } from "preact";
import { visible } from "../../client/visible.ts";
import type { EventOf } from "../../protocol/event.ts";
import type { LogLine } from "../../protocol/line.ts";
import { bytesText, costText, countText, durationText } from "../text/format.ts";
import { Markdown } from "../text/markdown.tsx";
import { firstLine, shownOutput } from "../text/shown.ts";
import { Answers, AskedCall } from "./asked-view.tsx";
import { ToolView } from "./tool-view.tsx";

export interface ItemViewProps {
  lines: readonly LogLine[];
  isOpen: boolean;
  onToggle(): void;
}

/** `lines` are those of one item, the call before its result. */
export function ItemView({ lines, isOpen, onToggle }: ItemViewProps): ComponentChildren {
  const [line] = lines;
  if (!line) return <p class="dim">(cannot be read)</p>;
  switch (line.type) {
    case "user_message":
      return <UserMessage data={line.data} />;
    case "agent_message":
      return <AgentText text={line.data.text} wasTakenBack={line.data.superseded === true} />;
    case "tool_use":
    case "tool_result":
      return <ToolView lines={lines} isOpen={isOpen} onToggle={onToggle} />;
    case "result":
      return <TurnEnd data={line.data} />;
    case "input_required":
    case "input_resolved":
      return <Question lines={lines} />;
    case "error":
      return (
        <>
          <p class="fault">
            <strong>{visible(line.data.error_category ?? line.data.code)}</strong> {shownOutput(line.data.message)}
          </p>
          {line.data.advice !== undefined && <p class="facts">{visible(line.data.advice)}</p>}
        </>
      );
    case "stdout":
    case "stderr":
      return <pre class={line.type}>{lines.map(outputText).join("\n")}</pre>;
    case "exit":
      return <Exit data={line.data} />;
    case "progress":
      return <Note what={line.data.kind} data={line.data} />;
    case "system":
      return <Note what={line.data.subtype} data={line.data} />;
    default:
      return line satisfies never;
  }
}

export function AgentText({ text, wasTakenBack }: { text: string; wasTakenBack: boolean }) {
  return (
    <>
      <Markdown text={text} />
      {wasTakenBack && <p class="dim">(the agent took this back)</p>}
    </>
  );
}

function UserMessage({ data }: { data: EventOf<"user_message">["data"] }) {
  const images = data.images ?? [];
  return (
    <>
      <span class="who">
        {data.by === undefined ? "you" : visible(data.by)}
        {data.kind !== "prompt" && ` · ${data.kind}`}
      </span>
      <p class="said">{shownOutput(data.text)}</p>
      {images.map(({ media_type, blob, bytes }) => (
        <p class="dim" key={blob}>
          {visible(media_type)}, {bytesText(bytes)}
        </p>
      ))}
    </>
  );
}

function TurnEnd({ data }: { data: EventOf<"result">["data"] }) {
  const { usage } = data;
  const input = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
  const facts = [
    data.turn_id,
    data.status,
    ...(data.reason === undefined ? [] : [visible(data.reason)]),
    durationText(data.duration_ms),
    `${countText(input)} ${input === 1 ? "token" : "tokens"} in`,
    `${countText(usage.output_tokens)} out`,
    costText(data.cost_usd),
  ];
  return (
    <>
      {data.status === "error" && data.text !== undefined && <p class="fault">{shownOutput(data.text)}</p>}
      <p class="facts">{facts.join(" · ")}</p>
    </>
  );
}

const decisions: Readonly<Record<string, string>> = {
  approve_once: "approved",
  approve_session: "approved for this session",
  deny: "denied",
  expired: "expired: nobody answered in time",
  withdrawn: "withdrawn by the agent",
  aborted: "closed without an answer",
};

const asks: Readonly<Record<EventOf<"input_required">["data"]["kind"], string>> = {
  permission: "asks for permission",
  question: "asks",
  plan: "asks to confirm its plan",
};

/** A question is not approved. */
const questionDecisions: Readonly<Record<string, string>> = { approve_once: "answered", deny: "declined" };

function Question({ lines }: { lines: readonly LogLine[] }) {
  const asked = lines.find((line) => line.type === "input_required")?.data;
  const answer = lines.find((line) => line.type === "input_resolved")?.data;
  const hasParts = asked?.kind === "question" && (asked.questions ?? []).length > 0;
  return (
    <>
      <span class="who">{asks[asked?.kind ?? "permission"]}</span>
      {hasParts && asked ? (
        <Answers asked={asked} answer={answer} />
      ) : (
        <p class="said">{visible(asked?.message ?? "")}</p>
      )}
      {asked?.kind === "permission" && asked.tool && <AskedCall input={asked.tool.input} />}
      <p class="facts">{answer ? answeredText(asked, answer) : "open"}</p>
    </>
  );
}

function answeredText(
  asked: EventOf<"input_required">["data"] | undefined,
  { decision, by, message, answers }: EventOf<"input_resolved">["data"],
): string {
  const isQuestion = asked?.kind === "question";
  const word = isQuestion ? (questionDecisions[decision] ?? decisions[decision]) : decisions[decision];
  // To a single question the answer may be the message: it stands beside the question then.
  const isShown = isQuestion && decision === "approve_once" && answers === undefined && asked.questions?.length === 1;
  return `${word ?? decision} by ${visible(by)}${message === undefined || isShown ? "" : `: ${visible(message)}`}`;
}

function Exit({ data }: { data: EventOf<"exit">["data"] }) {
  const how = data.signal === undefined ? `code ${data.code}` : `${visible(data.signal)}, code ${data.code}`;
  return (
    <>
      <p class={data.code === 0 ? "facts" : "fault"}>
        The agent ended with {how}
        {data.error_category !== undefined && ` · ${data.error_category}`}
      </p>
      {data.error_detail !== undefined && <pre class="stderr">{shownOutput(data.error_detail)}</pre>}
    </>
  );
}

/** Whatever it has for people to read; else its own words. */
function Note({ what, data }: { what: string; data: Readonly<Record<string, unknown>> }) {
  const { turn_id: _turn, kind: _kind, subtype: _subtype, ...rest } = data;
  const said = ["message", "text", "detail", "reason"]
    .map((key) => data[key])
    .find((value) => typeof value === "string");
  const text = typeof said === "string" ? said : JSON.stringify(rest);
  return (
    <p class="facts">
      {visible(what).replaceAll("_", " ")}: {firstLine(text, 400)}
    </p>
  );
}

function outputText(line: LogLine): string {
  return line.type === "stdout" || line.type === "stderr" ? shownOutput(line.data.text) : "";
}
