/** What a tool is called with, all of it, a field a line. Somebody decides by it: nothing is cut, and what would hide is written out. Pure. */
import { visible } from "../src/client/visible.ts";
import { besidesDiffs, type FileDiff } from "./edit-diff.ts";

/** `diffs`: of the same call, shown beside it. Empty when nothing is left to say. */
export function callText(input: unknown, diffs: readonly FileDiff[] = []): string {
  const left = diffs.length === 0 ? input : besidesDiffs(input);
  if (left === null || left === undefined) return "";
  if (typeof left === "string") return visible(left);
  if (typeof left !== "object" || Array.isArray(left)) return visible(jsonOf(left));
  return Object.entries(left)
    .map(([name, value]) => fieldText(name, value))
    .join("\n");
}

function fieldText(name: string, value: unknown): string {
  const text = visible(typeof value === "string" ? value : jsonOf(value));
  const field = visible(name).replaceAll("\n", "⏎");
  if (!text.includes("\n")) return `${field}: ${text}`;
  return `${field}:\n  ${text.replaceAll("\n", "\n  ")}`;
}

function jsonOf(value: unknown): string {
  const line = JSON.stringify(value) ?? "";
  return line.length <= 80 ? line : (JSON.stringify(value, undefined, 2) ?? "");
}
