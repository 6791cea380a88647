/**
 * A session's events → pieces of a Markdown page. Pure; it remembers only the pieces of messages that are not whole yet.
 * What an agent says is Markdown already and stays so, but for what a viewer would act on: HTML, and pictures from elsewhere.
 */
import * as z from "zod";
import { visible } from "../src/client/visible.ts";
import { type EventOf, SessionEvent, type TurnStatus } from "../src/protocol/event.ts";
import type { SessionView } from "../src/protocol/http.ts";
import { editDiffs } from "./edit-diff.ts";
import { errorText, exitText, noteText, paintNothing, resultText, unreadableText } from "./event-text.ts";
import { formatCost, formatCount, formatDuration } from "./figures.ts";
import { inputRequiredText, inputResolvedText } from "./input-text.ts";
import { plainLine, plainText, visibleLine } from "./plain-text.ts";
import { isQuiet } from "./render.ts";
import { toolTitle } from "./render-tool.ts";

/** Of messages that never became whole: so many, so long. What is over that is in the NDJSON. */
const openItemsMax = 100;
const openCharsMax = 1024 * 1024;
const titleCharsMax = 200;

const ForeignEvent = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()) });

export function pageHead(sessionId: string, view: SessionView | undefined): string {
  const facts: [string, string | undefined][] = [
    ["Session", sessionId],
    ["Agent", view?.agent],
    ["Model", view?.model],
    ["Folder", view?.work_dir],
    ["Began", view?.created_at],
    ["Ended", view?.ended_at],
    ["State", view?.end_reason ?? view?.status],
    ["Exit code", view?.exit_code?.toString()],
    ["Tokens", tokensOf(view)],
    ["Cost", view?.cost_usd === undefined ? undefined : formatCost(view.cost_usd)],
  ];
  const rows = facts.flatMap(([name, value]) => (value === undefined ? [] : [`| ${name} | ${cellText(value)} |\n`]));
  return `# ${inert(plainLine(view?.name ?? sessionId, titleCharsMax))}\n\n| | |\n|---|---|\n${rows.join("")}`;
}

export class MarkdownPage {
  readonly #sessionId: string;
  readonly #open = new Map<string, string>();
  #isInOutput = false;
  #lastTurn: TurnStatus | undefined;

  constructor(sessionId: string) {
    this.#sessionId = sessionId;
  }

  /** The piece that a log line adds, with the empty line before it; nothing for what is not of the conversation. */
  line(text: string): string {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return this.#block(quote(unreadableText(text, paintNothing)));
    }
    const event = SessionEvent.safeParse(value).data;
    if (event?.type === "stdout" || event?.type === "stderr") return this.#output(event.data.text);
    if (event) return this.#block(this.#event(event));
    const foreign = ForeignEvent.safeParse(value).data;
    return this.#block(foreign === undefined ? "" : quote(noteText(foreign.type, foreign.data, paintNothing)));
  }

  /** What never became whole. */
  end(): string {
    return this.#block(this.#unfinished());
  }

  #block(text: string): string {
    if (text === "") return "";
    this.#isInOutput = false;
    return `\n${text.trimEnd()}\n`;
  }

  /** Lines of a command that speaks no protocol are one block of code. */
  #output(text: string): string {
    const lead = this.#isInOutput ? "" : "\n";
    this.#isInOutput = true;
    return `${lead}    ${plainText(text).replaceAll("\n", "\n    ")}\n`;
  }

  #event(event: Exclude<SessionEvent, { type: "stdout" | "stderr" }>): string {
    switch (event.type) {
      case "user_message":
        return promptText(event.data);
      case "agent_message":
        return this.#message(event.data);
      case "tool_use":
        return toolText(event.data);
      case "tool_result":
        return toolResultText(event.data);
      case "input_required":
        return quote(inputRequiredText(event.data, paintNothing));
      case "input_resolved":
        return quote(inputResolvedText(event.data, paintNothing));
      case "result":
        this.#lastTurn = event.data.status;
        return (
          this.#unfinished() +
          quote(resultText(event.data, { isTextSeen: true, saidError: undefined, paint: paintNothing }))
        );
      case "error":
        return quote(errorText(event.data, paintNothing));
      case "exit":
        return (
          this.#unfinished() +
          quote(
            exitText(event.data, {
              saidError: undefined,
              lastTurn: this.#lastTurn,
              sessionId: this.#sessionId,
              paint: paintNothing,
            }),
          )
        );
      case "progress":
        return isQuiet(event.data.kind) ? "" : quote(noteText(event.data.kind, event.data, paintNothing));
      case "system":
        return quote(noteText(event.data.subtype, event.data, paintNothing));
      default:
        return event satisfies never;
    }
  }

  #message({ delta, item_id, text, superseded, parent_id }: EventOf<"agent_message">["data"]): string {
    const earlier = this.#open.get(item_id) ?? "";
    if (delta) {
      if (this.#open.has(item_id) || this.#open.size < openItemsMax)
        this.#open.set(item_id, (earlier + text).slice(0, openCharsMax));
      return "";
    }
    this.#open.delete(item_id);
    const said = superseded ? text || earlier : text;
    if (said.trim() === "") return "";
    const body = inert(plainText(said).trim());
    const shown = parent_id === undefined ? body : quote(body);
    return superseded ? `${shown}\n\n> (the agent took this back)\n` : shown;
  }

  #unfinished(): string {
    const texts = [...this.#open.values()].map((text) => inert(plainText(text).trim())).filter((text) => text !== "");
    this.#open.clear();
    return texts.map((text) => `${text}\n\n> (it was never finished)\n\n`).join("");
  }
}

function promptText({ kind, by, text }: EventOf<"user_message">["data"]): string {
  const head = `${kind[0]?.toUpperCase()}${kind.slice(1)}${by === undefined ? "" : ` by ${plainLine(by, 80)}`}`;
  return `## ${inert(head)}\n\n${quote(plainText(text))}`;
}

function toolText(tool: EventOf<"tool_use">["data"]): string {
  const head = `**● ${codeSpan(toolTitle(tool))}**`;
  const diffs = editDiffs(tool);
  if (diffs.length > 0) {
    const blocks = diffs.map(({ path, lines }) =>
      fence(
        "diff",
        visible([`# ${path}`, ...lines.map(({ sign, text }) => (sign === "@" ? text : sign + text))].join("\n")),
      ),
    );
    return `${head}\n\n${blocks.join("\n")}`;
  }
  if (tool.input === null || tool.input === undefined) return head;
  const isText = typeof tool.input === "string";
  return `${head}\n\n${fence(isText ? "" : "json", visible(isText ? String(tool.input) : JSON.stringify(tool.input, undefined, 2)))}`;
}

function toolResultText(data: EventOf<"tool_result">["data"]): string {
  const what = data.synthetic
    ? "never reported a result"
    : `${data.is_error ? "failed" : "gave"} (${formatDuration(data.duration_ms)})`;
  const head = `${codeSpan(visibleLine(data.name, 80))} ${what}`;
  return data.output === "" ? head : `${head}:\n\n${fence("", plainText(data.output))}`;
}

function tokensOf(view: SessionView | undefined): string | undefined {
  if (view?.input_tokens === undefined) return undefined;
  return `${formatCount(view.input_tokens)} in, ${formatCount(view.output_tokens ?? 0)} out`;
}

function cellText(value: string): string {
  return inert(plainLine(value, 4096)).replaceAll("|", "\\|");
}

function quote(text: string): string {
  const lines = inert(plainText(text).trimEnd()).split("\n");
  if (lines.join("") === "") return "";
  return lines.map((line) => `> ${line}`.trimEnd()).join("  \n");
}

function codeSpan(text: string): string {
  const ticks = "`".repeat(longestRun(text) + 1);
  const isAtEdge = text.startsWith("`") || text.endsWith("`");
  return isAtEdge ? `${ticks} ${text} ${ticks}` : `${ticks}${text}${ticks}`;
}

/** No run of backticks within ends it. */
function fence(language: string, text: string): string {
  const ticks = "`".repeat(Math.max(3, longestRun(text) + 1));
  return `${ticks}${language}\n${text.replace(/\n+$/, "")}\n${ticks}\n`;
}

function longestRun(text: string): number {
  return Math.max(0, ...Array.from(text.matchAll(/`+/g), ([run]) => run.length));
}

/** Tags show as they were written, and a picture becomes a link: outside of code, where both are words already. */
function inert(text: string): string {
  let fenceMark: string | undefined;
  return text
    .split("\n")
    .map((line) => {
      const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
      if (fenceMark !== undefined) {
        if (mark?.startsWith(fenceMark)) fenceMark = undefined;
        return line;
      }
      if (mark !== undefined) {
        fenceMark = mark;
        return line;
      }
      return line
        .split(/(`+[^`]+`+)/)
        .map((part, at) => (at % 2 === 1 ? part : part.replaceAll("<", "&lt;").replaceAll("![", "\\!\\[")))
        .join("");
    })
    .join("\n");
}
