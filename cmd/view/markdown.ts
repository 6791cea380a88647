/** Markdown → lines with styles, of a text that may still be being written. Pure, and forgiving: what is no Markdown stays as it is. */
import type { Line, Span } from "./styled-line.ts";

export interface MarkdownLine {
  line: Line;
  /** Before the rows that it goes on in. */
  hang: string;
}

/** `isInCode`: the text goes on with a block of code that began before it. */
export function markdownLines(text: string, { isInCode = false } = {}): { lines: MarkdownLine[]; isInCode: boolean } {
  let fence: string | undefined = isInCode ? "```" : undefined;
  const lines = text.split("\n").map((raw): MarkdownLine => {
    const mark = /^\s{0,3}(`{3,}|~{3,})(.*)$/.exec(raw);
    if (fence !== undefined) {
      if (mark?.[1]?.startsWith(fence) && mark[2]?.trim() === "") {
        fence = undefined;
        return { line: [{ text: "└", style: "dim" }], hang: "" };
      }
      return {
        line: [
          { text: "│ ", style: "dim" },
          { text: raw, style: "code" },
        ],
        hang: "│ ",
      };
    }
    if (mark?.[1]) {
      fence = mark[1];
      return { line: [{ text: `┌ ${mark[2]?.trim() ?? ""}`.trimEnd(), style: "dim" }], hang: "" };
    }
    return proseLine(raw);
  });
  return { lines, isInCode: fence !== undefined };
}

function proseLine(raw: string): MarkdownLine {
  const heading = /^#{1,6}\s+(.*)$/.exec(raw);
  if (heading) return { line: [{ text: heading[1] ?? "", style: "heading" }], hang: "" };
  const item = /^(\s*)([-*+]|\d{1,3}[.)])\s+(.*)$/.exec(raw);
  if (item) {
    const [, indent = "", bullet = "", rest = ""] = item;
    const shown = /\d/.test(bullet) ? bullet : "•";
    const lead = `${indent}${shown} `;
    return { line: [{ text: lead, style: "dim" }, ...inlineSpans(rest)], hang: " ".repeat(lead.length) };
  }
  const quote = /^\s{0,3}>\s?(.*)$/.exec(raw);
  if (quote)
    return {
      line: [
        { text: "▏ ", style: "dim" },
        { text: quote[1] ?? "", style: "dim" },
      ],
      hang: "▏ ",
    };
  if (/^\s{0,3}([-*_])(?:\s*\1){2,}\s*$/.test(raw)) return { line: [{ text: "────────", style: "dim" }], hang: "" };
  return { line: inlineSpans(raw), hang: "" };
}

const inline = /(`+)([^`]+)\1|\*\*([^*\s](?:[^*]*[^*\s])?)\*\*|__([^_\s](?:[^_]*[^_\s])?)__/g;

/** Code and strong words; emphasis by one star is left, since stars mean much else. */
function inlineSpans(text: string): Span[] {
  const spans: Span[] = [];
  let from = 0;
  for (const found of text.matchAll(inline)) {
    if (found.index > from) spans.push({ text: text.slice(from, found.index) });
    const [whole, , code, strong, strongToo] = found;
    spans.push(code === undefined ? { text: strong ?? strongToo ?? "", style: "bold" } : { text: code, style: "code" });
    from = found.index + whole.length;
  }
  if (from < text.length || spans.length === 0) spans.push({ text: text.slice(from) });
  return spans;
}
