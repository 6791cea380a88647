/** An entry of a conversation → the rows it takes on a terminal of some width. Pure. */
import type { FileDiff } from "../edit-diff.ts";
import { formatDuration } from "../figures.ts";
import type { Entry } from "./conversation.ts";
import { markdownLines } from "./markdown.ts";
import { cutLine, type Line, lineText, plain, type Span, type Style, textWidth, wrapLine } from "./styled-line.ts";

/** Of a result; the whole is in the log. */
const resultRowsMax = 400;
/** A line may be a whole file. What is laid out with each piece that comes must not be. */
const lineCharsMax = 2000;

export interface Look {
  width: number;
  isSelected: boolean;
}

export function entryRows(entry: Entry, { width, isSelected }: Look): Line[] {
  const indent = entry.isSub ? "  " : "";
  const room = Math.max(1, width - indent.length);
  const rows = rowsOf(entry, { width: room, isSelected });
  return indent === "" ? rows : rows.map((row) => [{ text: indent }, ...row]);
}

/** What a search looks through: also what is folded away. */
export function entryText(entry: Entry): string {
  if (entry.kind !== "tool" && entry.kind !== "text") return entry.text;
  const changed = entry.diffs.map(({ path, lines }) => [path, ...lines.map(({ text }) => text)].join("\n"));
  if (entry.kind === "text") return [entry.text, ...changed].join("\n");
  return [entry.title, entry.input, ...changed, entry.result?.text ?? ""].join("\n");
}

function rowsOf(entry: Entry, look: Look): Line[] {
  switch (entry.kind) {
    case "prompt":
      return [[], ...wrapped(`› ${entry.text.replaceAll("\n", "\n  ")}`, "cyan", { width: look.width, hang: "  " })];
    case "message":
      return messageRows(entry, look.width);
    case "tool":
      return toolRows(entry, look);
    case "text":
      return [
        ...(entry.text === "" ? [] : wholeRows(entry.text, entry.style, { width: look.width, hang: "  " })),
        ...diffRows(entry.diffs, look.width),
      ];
    case "output":
      return wrapped(entry.text, entry.style, { width: look.width, hang: "" });
    default:
      return entry satisfies never;
  }
}

function messageRows(entry: Extract<Entry, { kind: "message" }>, width: number): Line[] {
  const whole = entry.text.endsWith("\n") ? entry.text.slice(0, -1) : entry.text;
  const text = whole.split("\n").map(cutChars).join("\n");
  const { lines } = markdownLines(text, { isInCode: entry.isInCode });
  const rows = lines.flatMap(({ line, hang }) => wrapLine(untabbed(line), width, hang));
  return entry.isFirst ? [[], ...rows] : rows;
}

function toolRows(entry: Extract<Entry, { kind: "tool" }>, look: Look): Line[] {
  const head = toolHead(entry, look);
  if (!entry.isOpen) return [head];
  const width = Math.max(1, look.width - 2);
  const result = resultRows(entry, width);
  const shown = result.slice(0, resultRowsMax);
  if (result.length > shown.length)
    shown.push(plain(`… ${result.length - shown.length} more rows: agentd export has all`, "dim"));
  const called = entry.input === "" ? [] : wholeRows(entry.input, "dim", { width, hang: "" });
  const rows = [...called, ...diffRows(entry.diffs, width), ...shown];
  return [head, ...rows.map((row): Line => [{ text: "  " }, ...row])];
}

/** That an edit was done says its head. */
function resultRows({ diffs, result }: Extract<Entry, { kind: "tool" }>, width: number): Line[] {
  if (result === undefined || (diffs.length > 0 && !result.isError)) return [];
  return wrapped(result.text || "(no output)", result.isError ? "red" : undefined, { width, hang: "" });
}

function toolHead({ title, diffs, result, isOpen }: Extract<Entry, { kind: "tool" }>, look: Look): Line {
  const facts = [
    ...(diffs.length > 0 ? [changeCounts(diffs)] : []),
    ...(result === undefined ? ["…"] : [formatDuration(result.durationMs)]),
    ...(result && !isOpen && diffs.length === 0 ? [lineCount(result.text)] : []),
  ].join(" · ");
  const failed = result?.isError === true;
  const mark: Span[] = [
    { text: look.isSelected ? "❯" : " ", style: "cyan" },
    { text: `${isOpen ? "▾" : "▸"} `, style: failed ? "red" : "green" },
  ];
  const tail = ` ${failed ? "✗ " : ""}${facts}`;
  const [name = "", ...rest] = title.split("  ");
  const words: Line = [{ text: name, style: "bold" }, ...(rest.length > 0 ? [{ text: `  ${rest.join("  ")}` }] : [])];
  const room = look.width - textWidth(lineText(mark)) - textWidth(tail);
  // Where there is no room for both, what it does is worth more than how long it took.
  if (room < 12) return cutLine([...mark, ...words], look.width);
  return [...mark, ...cutLine(words, room), { text: tail, style: failed ? "red" : "dim" }];
}

function changeCounts(diffs: readonly FileDiff[]): string {
  const lines = diffs.flatMap((diff) => diff.lines);
  const count = (sign: string) => lines.filter((line) => line.sign === sign).length;
  return `+${count("+")} −${count("-")}`;
}

function lineCount(text: string): string {
  if (text === "") return "no output";
  const count = text.split("\n").length;
  return count === 1 ? "1 line" : `${count} lines`;
}

const diffStyles = { "+": "green", "-": "red", "@": "dim", " ": undefined } as const;

function diffRows(diffs: readonly FileDiff[], width: number): Line[] {
  return diffs.flatMap(({ path, lines }) => [
    ...(diffs.length > 1 ? [plain(path, "bold")] : []),
    ...lines.flatMap(({ sign, text }) =>
      wholeRows(`${sign === "@" ? "" : sign}${text}`, diffStyles[sign], { width, hang: " " }),
    ),
  ]);
}

function wrapped(text: string, style: Style | undefined, { width, hang }: { width: number; hang: string }): Line[] {
  return text.split("\n").flatMap((line) => wrapLine(untabbed(plain(cutChars(line), style)), width, hang));
}

/** The same of what somebody decides by: nothing is cut. A long line is laid out in pieces, since all at once takes its length squared. */
function wholeRows(text: string, style: Style | undefined, { width, hang }: { width: number; hang: string }): Line[] {
  return text.split("\n").flatMap((line) =>
    piecesOf(line).flatMap((piece, at) => {
      const room = at === 0 ? width : Math.max(1, width - hang.length);
      const rows = wrapLine(untabbed(plain(piece, style)), room, at === 0 ? hang : "");
      return at === 0 || hang === "" ? rows : rows.map((row): Line => [{ text: hang }, ...row]);
    }),
  );
}

function piecesOf(line: string): string[] {
  const pieces: string[] = [];
  for (let from = 0; ; ) {
    const to = from + lineCharsMax;
    if (to >= line.length) return [...pieces, line.slice(from)];
    const space = line.lastIndexOf(" ", to - 1);
    // At a space, where there is one soon before; never within a pair.
    const isInsidePair = /[\ud800-\udbff]/.test(line[to - 1] ?? "");
    const end = space > to - 200 ? space + 1 : to - (isInsidePair ? 1 : 0);
    pieces.push(line.slice(from, end));
    from = end;
  }
}

function cutChars(line: string): string {
  return line.length <= lineCharsMax ? line : `${line.slice(0, lineCharsMax)}…`;
}

/** A tab is as wide as the terminal likes: two spaces are two. */
function untabbed(line: Line): Line {
  return line.map(({ text, style }) => ({ text: text.replaceAll("\t", "  "), style }));
}
