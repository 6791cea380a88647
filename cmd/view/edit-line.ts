/** A line that a person types, with a place in it where the next character goes. Pure. */
import type { Key } from "../screen.ts";
import { cutLine, type Line, plain, textWidth, wrapLine } from "./styled-line.ts";

export interface EditLine {
  text: string;
  /** In UTF-16 units, never within a character. */
  at: number;
}

/** What is pasted by mistake must not make the terminal stand still. */
const charsMax = 256 * 1024;
const rowsMax = 4;

export const emptyLine: EditLine = { text: "", at: 0 };

/** The line after the key; undefined for a key that edits nothing. */
export function edited({ text, at }: EditLine, key: Key): EditLine | undefined {
  const before = text.slice(0, at);
  const after = text.slice(at);
  switch (key.name) {
    case "text": {
      const room = charsMax - text.length;
      const added = key.text.slice(0, Math.max(0, room));
      return { text: before + added + after, at: at + added.length };
    }
    case "backspace": {
      const kept = before.slice(0, before.length - lastCharacter(before).length);
      return { text: kept + after, at: kept.length };
    }
    case "left":
      return { text, at: at - lastCharacter(before).length };
    case "right":
      return { text, at: at + ([...after][0]?.length ?? 0) };
    case "home":
      return { text, at: 0 };
    case "end":
      return { text, at: text.length };
    case "ctrl":
      return byLetter({ text, at }, key.letter);
    default:
      return undefined;
  }
}

function byLetter({ text, at }: EditLine, letter: string): EditLine | undefined {
  if (letter === "a") return { text, at: 0 };
  if (letter === "e") return { text, at: text.length };
  if (letter === "u") return { text: text.slice(at), at: 0 };
  if (letter === "k") return { text: text.slice(0, at), at };
  if (letter !== "w") return undefined;
  const kept = text.slice(0, at).replace(/\S*\s*$/, "");
  return { text: kept + text.slice(at), at: kept.length };
}

function lastCharacter(text: string): string {
  return [...text.slice(-2)].at(-1) ?? "";
}

/** The rows around the place where is typed; the rest of a long line is out of sight. */
export function editRows(
  { text, at }: EditLine,
  { lead, width, hint }: { lead: string; width: number; hint: string },
): Line[] {
  const mark = "▏";
  if (text === "")
    return [cutLine([{ text: lead, style: "cyan" }, { text: mark }, { text: hint, style: "dim" }], width)];
  const hang = " ".repeat(textWidth(lead));
  const rows = wrapLine([{ text: lead, style: "cyan" }, ...plain(shownText(text, at, mark))], width, hang);
  const place = rows.findIndex((row) => row.some((span) => span.text.includes(mark)));
  const from = Math.max(0, Math.min(place - rowsMax + 2, rows.length - rowsMax));
  return rows.slice(from, from + rowsMax);
}

/** What lies far from the place is not laid out at all. */
function shownText(text: string, at: number, mark: string): string {
  const nearby = 2000;
  const safe = (part: string) => part.replaceAll("\n", "⏎").replaceAll("\t", " ");
  return safe(text.slice(Math.max(0, at - nearby), at)) + mark + safe(text.slice(at, at + nearby));
}
