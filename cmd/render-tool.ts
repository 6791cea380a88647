/** A tool's call in one line, and its result in a few. Pure. */
import type { EventOf } from "../src/protocol/event.ts";
import { cutChars, plainText, visibleLine } from "./plain-text.ts";

const summaryCharsMax = 160;
const resultLinesMax = 8;
const resultCharsMax = 300;

/** Where agents put what a call is about, best first. */
const tellingKeys = [
  "command",
  "file_path",
  "path",
  "notebook_path",
  "pattern",
  "query",
  "url",
  "description",
  "prompt",
  "skill",
];

export function toolTitle(tool: EventOf<"tool_use">["data"]): string {
  const name = visibleLine(tool.server === undefined ? tool.name : `${tool.server}·${tool.name}`, summaryCharsMax);
  const summary = visibleLine(summarize(tool.input), summaryCharsMax);
  return summary === "" ? name : `${name}  ${summary}`;
}

function summarize(input: unknown): string {
  if (input === null || input === undefined) return "";
  if (typeof input === "string") return input;
  if (typeof input !== "object") return String(input);
  const values = new Map(Object.entries(input));
  for (const key of tellingKeys) {
    const value: unknown = values.get(key);
    if (typeof value === "string" && value !== "") return value;
    if (Array.isArray(value) && value.length > 0) return value.join(" ");
  }
  return values.size === 0 ? "" : JSON.stringify(input);
}

/** The first lines of a result, and how many were cut. */
export function resultLines(output: string): string[] {
  const text = plainText(output).replace(/\n+$/, "");
  if (text === "") return ["(no output)"];
  const lines = text.split("\n");
  const shown = lines.slice(0, resultLinesMax).map((line) => cutChars(line, resultCharsMax));
  const cut = lines.length - shown.length;
  if (cut > 0) shown.push(`… ${cut} more ${cut === 1 ? "line" : "lines"}`);
  return shown;
}
