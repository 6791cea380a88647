/**
 * Log lines → terminal text. Pure: no clock, no terminal. A renderer remembers what it has shown of messages that
 * come in pieces, and nothing else; whatever an agent says passes through plainText, whatever it asks permission for through visible.
 */
import * as z from "zod";
import { type EventOf, SessionEvent, type TurnStatus } from "../src/protocol/event.ts";
import {
  errorText,
  exitText,
  noteText,
  type Paint,
  paintColours,
  paintNothing,
  resultText,
  subagentIndent,
  toolResultText,
  toolUseText,
  unreadableText,
  userMessageText,
} from "./event-text.ts";
import { inputRequiredText, inputResolvedText } from "./input-text.ts";
import { plainText } from "./plain-text.ts";

/** Remembered per item until its whole message has come; agents that never send it must not make this grow. */
const openItemsMax = 1000;

/** Lines of an older or a newer daemon may not fit our union: what can be read of them is shown. */
const ForeignEvent = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()) });

export class Renderer {
  readonly #paint: Paint;
  readonly #sessionId: string;
  readonly #streamedItems = new Set<string>();
  /** The item whose text the last line, still open, belongs to. */
  #openItem: string | undefined;
  #turnHasText = false;
  #lastToolId: string | undefined;
  /** The last error shown: results and the exit repeat it. */
  #saidError: string | undefined;
  #lastTurn: TurnStatus | undefined;

  constructor(options: { colour: boolean; sessionId: string }) {
    this.#sessionId = options.sessionId;
    this.#paint = options.colour ? paintColours : paintNothing;
  }

  /** Text of one log line; empty when it is nothing to show. Ends in a newline unless a message is still being written. */
  line(text: string): string {
    const value = parseJson(text);
    return value === undefined ? this.flush() + unreadableText(text, this.#paint) : this.value(value);
  }

  /** The same of a line that has been parsed. */
  value(value: unknown): string {
    const event = SessionEvent.safeParse(value).data;
    if (event?.type === "agent_message") return this.#agentMessage(event.data);
    const text = event === undefined ? this.#foreign(value) : this.#whole(event);
    return text === "" ? "" : this.flush() + text;
  }

  /** Closes an unfinished line, before something else is printed. */
  flush(): string {
    if (this.#openItem === undefined) return "";
    this.#openItem = undefined;
    return "\n";
  }

  #agentMessage(data: EventOf<"agent_message">["data"]): string {
    const indent = subagentIndent(data);
    const text = plainText(data.text).replaceAll("\n", `\n${indent}`);
    if (data.delta) return this.#delta(data.item_id, { text, indent });
    if (text !== "") this.#turnHasText = true;
    const wasStreamed = this.#streamedItems.delete(data.item_id);
    const end = this.flush();
    if (data.superseded && wasStreamed) return `${end}${indent}${this.#paint("dim", "(the agent took this back)")}\n`;
    return wasStreamed || text === "" ? end : `${end}${indent}${text}\n`;
  }

  #delta(itemId: string, { text, indent }: { text: string; indent: string }): string {
    if (text === "") return "";
    this.#turnHasText = true;
    const lead = this.#openItem === itemId ? "" : this.flush() + indent;
    this.#openItem = itemId;
    if (this.#streamedItems.size < openItemsMax) this.#streamedItems.add(itemId);
    return lead + text;
  }

  #whole(event: Exclude<SessionEvent, { type: "agent_message" }>): string {
    const paint = this.#paint;
    switch (event.type) {
      case "user_message":
        this.#saidError = undefined;
        return userMessageText(event.data, paint);
      case "tool_use":
        this.#lastToolId = event.data.id;
        return toolUseText(event.data, paint);
      case "tool_result":
        return toolResultText(event.data, { followsCall: event.data.id === this.#lastToolId, paint });
      case "input_required":
        return inputRequiredText(event.data, paint);
      case "input_resolved":
        return inputResolvedText(event.data, paint);
      case "result":
        return this.#result(event.data);
      case "error":
        this.#saidError = plainText(event.data.message).trim();
        return errorText(event.data, paint);
      case "exit":
        return exitText(event.data, {
          saidError: this.#saidError,
          lastTurn: this.#lastTurn,
          sessionId: this.#sessionId,
          paint,
        });
      case "progress":
        return isQuiet(event.data.kind) ? "" : noteText(event.data.kind, event.data, paint);
      case "system":
        return noteText(event.data.subtype, event.data, paint);
      case "stdout":
        return `${plainText(event.data.text)}\n`;
      case "stderr":
        return `${paint("dim", plainText(event.data.text))}\n`;
      default:
        return event satisfies never;
    }
  }

  #result(data: EventOf<"result">["data"]): string {
    const isTextSeen = this.#turnHasText;
    this.#turnHasText = false;
    this.#lastTurn = data.status;
    return resultText(data, { isTextSeen, saidError: this.#saidError, paint: this.#paint });
  }

  #foreign(value: unknown): string {
    const event = ForeignEvent.safeParse(value);
    return event.success ? noteText(event.data.type, event.data.data, this.#paint) : "";
  }
}

/** What would drown the rest: the agent's thoughts, the output of a tool that its result repeats, receipts. */
export function isQuiet(kind: string): boolean {
  return kind === "reasoning" || kind === "tool_output" || kind === "input_delivered";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
