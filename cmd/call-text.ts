/** What a tool is called with, all of it, a field a line. Somebody decides by it: nothing is cut, and what would hide is written out. Pure. */
import { visible } from "../src/client/visible.ts";
import type { FileDiff } from "./edit-diff.ts";

/** Where a diff takes its lines from: what it shows is not said twice. */
const diffedFields: readonly string[] = [
  "old_string",
  "new_string",
  "oldString",
  "newString",
  "content",
  "diff",
  "patch",
  "patchText",
];

/** `diffs`: of the same call, shown beside it. Empty when nothing is left to say. */
export function callText(input: unknown, diffs: readonly FileDiff[] = []): string {
  const left = diffs.length === 0 ? input : withoutDiffed(input, shownLines(diffs));
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

function shownLines(diffs: readonly FileDiff[]): ReadonlySet<string> {
  // A patch has its lines with their signs, a whole file has not.
  return new Set(diffs.flatMap(({ lines }) => lines.flatMap(({ sign, text }) => [text, sign + text])));
}

/** The same without the texts of which every line is in the diff. */
function withoutDiffed(value: unknown, shown: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) {
    const left = value.map((item: unknown) => withoutDiffed(item, shown)).filter((item) => item !== undefined);
    return left.length === 0 ? undefined : left;
  }
  if (typeof value !== "object" || value === null) return value;
  const left = Object.entries(value).flatMap(([name, field]): [string, unknown][] => {
    if (typeof field === "string") return diffedFields.includes(name) && isShown(field, shown) ? [] : [[name, field]];
    const rest = withoutDiffed(field, shown);
    return rest === undefined ? [] : [[name, rest]];
  });
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function isShown(text: string, shown: ReadonlySet<string>): boolean {
  const lines = text.endsWith("\n") ? text.slice(0, -1) : text;
  return lines === "" || lines.split("\n").every((line) => shown.has(line));
}
