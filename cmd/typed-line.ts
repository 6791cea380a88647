/** What a person typed while watching a session → what is meant by it. Pure. */
import { nearWord } from "../src/near-word.ts";

export type Typed =
  | { type: "prompt"; text: string }
  | { type: "steer"; text: string }
  | { type: "interrupt" }
  /** Which question, when not the oldest one. */
  | { type: "approve"; isForSession: boolean; request: string | undefined }
  | { type: "deny"; reason: string | undefined; request?: string }
  | { type: "answer"; text: string }
  | { type: "leave" }
  | { type: "nothing" }
  | { type: "mistake"; message: string };

/** What a person on a terminal is told once, before anything else. */
export const typedLineHint =
  "A line is a prompt; /steer TEXT redirects the turn, /interrupt or Ctrl+C ends it, /leave or Ctrl+D leaves";

const words = ["steer", "interrupt", "leave", "approve", "approve-session", "deny", "answer"];
const ours = /^\/(steer|interrupt|leave|approve|approve-session|deny|answer)(?:\s+([\s\S]*))?$/;

/**
 * `/steer TEXT`, `/interrupt`, `/approve [ID]`, `/approve-session [ID]`, `/deny [REASON]`, `/answer TEXT`; `//x` says
 * `/x`; any other line is a prompt, so that agents keep their own slash commands. What is nearly one of ours is asked about: as a
 * prompt it would be paid for, and do nothing of what was meant.
 */
export function readTyped(line: string): Typed {
  if (line.trim() === "") return { type: "nothing" };
  if (line.startsWith("//")) return { type: "prompt", text: line.slice(1) };
  const found = ours.exec(line);
  if (!found) return otherwise(line);
  const rest = found[2]?.trim() || undefined;
  switch (found[1]) {
    case "steer":
      if (rest === undefined) return { type: "mistake", message: "/steer needs a text: /steer use tabs, not spaces" };
      return { type: "steer", text: rest };
    case "answer":
      if (rest === undefined) return { type: "mistake", message: "/answer needs a text, or the number of a choice" };
      return { type: "answer", text: rest };
    case "approve":
      return { type: "approve", isForSession: false, request: rest };
    case "approve-session":
      return { type: "approve", isForSession: true, request: rest };
    case "deny":
      return { type: "deny", reason: rest };
    case "leave":
      return rest === undefined ? { type: "leave" } : { type: "prompt", text: line };
    default:
      return rest === undefined ? { type: "interrupt" } : { type: "prompt", text: line };
  }
}

function otherwise(line: string): Typed {
  const word = /^\/([a-z-]+)(?:\s|$)/.exec(line)?.[1] ?? "";
  if (word === "help") return { type: "mistake", message: `${typedLineHint}. For the agent's own: //help` };
  const near = nearWord(word, words);
  if (near === undefined || word === "") return { type: "prompt", text: line };
  return {
    type: "mistake",
    message: `Nothing was done: "/${word}" is no word of ours. Type /${near}, or for the agent //${word}`,
  };
}
