/** The end of a session's log → what was last said or done, in one line. Pure. */

import { visible } from "../../src/client/visible.ts";
import { SessionEvent } from "../../src/protocol/event.ts";
import { plainLine } from "../plain-text.ts";
import { toolTitle } from "../render-tool.ts";

const charsMax = 300;

export function lastWord(lines: readonly string[]): string {
  let word = "";
  let itemId: string | undefined;
  for (const line of lines) {
    const event = SessionEvent.safeParse(parsed(line)).data;
    if (event?.type === "agent_message") {
      const { item_id, delta, text } = event.data;
      word = delta && item_id === itemId ? word + text : text || word;
      itemId = item_id;
      continue;
    }
    const said = event && wordOf(event);
    if (said === undefined) continue;
    word = said;
    itemId = undefined;
  }
  // The last line of a message is the newest.
  return plainLine(word.trimEnd().split("\n").at(-1) ?? "", charsMax);
}

function wordOf(event: SessionEvent): string | undefined {
  switch (event.type) {
    case "user_message":
      return `› ${event.data.text}`;
    case "tool_use":
      return `● ${toolTitle(event.data)}`;
    case "input_required":
      return `? ${visible(event.data.message)}`;
    case "error":
      return `✗ ${event.data.message}`;
    case "stdout":
      return event.data.text;
    default:
      return undefined;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
