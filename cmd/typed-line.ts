/** What a person typed while watching a session → what is meant by it. Pure. */

export type Typed =
  | { type: "prompt"; text: string }
  | { type: "steer"; text: string }
  | { type: "interrupt" }
  | { type: "leave" }
  | { type: "nothing" }
  | { type: "mistake"; message: string };

/** What a person on a terminal is told once, before anything else. */
export const typedLineHint =
  "A line is a prompt; /steer TEXT redirects the turn, /interrupt or Ctrl+C ends it, /leave or Ctrl+D leaves";

/** `/steer TEXT`, `/interrupt`, `/leave`; `//x` says `/x`; any other line is a prompt, so that agents keep their own slash commands. */
export function readTyped(line: string): Typed {
  if (line.trim() === "") return { type: "nothing" };
  if (line.startsWith("//")) return { type: "prompt", text: line.slice(1) };
  if (line.trim() === "/interrupt") return { type: "interrupt" };
  if (line.trim() === "/leave") return { type: "leave" };
  const steer = /^\/steer(?:\s+([\s\S]*))?$/.exec(line);
  if (!steer) return { type: "prompt", text: line };
  const text = steer[1]?.trim() ?? "";
  return text === ""
    ? { type: "mistake", message: "/steer needs a text: /steer use tabs, not spaces" }
    : { type: "steer", text };
}
