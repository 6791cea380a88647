/** Lines with styles, measured and broken as a terminal shows them. Pure. Whatever an agent said passed plainText before it is here. */
import stringWidth from "string-width";

const codes = {
  dim: "2",
  bold: "1",
  red: "31",
  green: "32",
  yellow: "33",
  cyan: "36",
  code: "36",
  heading: "1;4",
  match: "30;43",
  bar: "7",
} as const;
export type Style = keyof typeof codes;

export interface Span {
  text: string;
  style?: Style | undefined;
}
export type Line = readonly Span[];

export function plain(text: string, style?: Style): Line {
  return [{ text, style }];
}

export function lineText(line: Line): string {
  return line.map(({ text }) => text).join("");
}

export function textWidth(text: string): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : stringWidth(text);
}

export function paintLine(line: Line, { colour }: { colour: boolean }): string {
  if (!colour) return lineText(line);
  return line
    .map(({ text, style }) => (style === undefined || text === "" ? text : `\x1b[${codes[style]}m${text}\x1b[0m`))
    .join("");
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** What fits, with a mark where something was cut. */
export function cutLine(line: Line, width: number): Line {
  if (textWidth(lineText(line)) <= width) return line;
  const kept: Span[] = [];
  let left = Math.max(0, width - 1);
  for (const { text, style } of line) {
    const part = headOf(text, left);
    if (part !== "") kept.push({ text: part, style });
    left -= textWidth(part);
    if (part.length < text.length) break;
  }
  return [...kept, { text: width > 0 ? "…" : "" }];
}

/** As much of the text as has this width. */
function headOf(text: string, width: number): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text.slice(0, width);
  let taken = "";
  let left = width;
  for (const { segment } of segmenter.segment(text)) {
    left -= textWidth(segment);
    if (left < 0) break;
    taken += segment;
  }
  return taken;
}

/** The line in rows of at most this width, broken at spaces where there are any. `hang` stands before all rows but the first. */
export function wrapLine(line: Line, width: number, hang = ""): Line[] {
  if (textWidth(lineText(line)) <= width) return [line];
  const room = Math.max(1, width - textWidth(hang));
  const rows: Span[][] = [[]];
  let left = Math.max(1, width);
  const nextRow = () => {
    rows.push(hang === "" ? [] : [{ text: hang }]);
    left = room;
  };
  const put = (text: string, style: Style | undefined) => {
    const row = rows.at(-1);
    const last = row?.at(-1);
    if (last && last.style === style) last.text += text;
    else row?.push({ text, style });
    left -= textWidth(text);
  };
  for (const { text, style } of line) {
    for (const token of text.match(/ +|[^ ]+/g) ?? []) {
      if (textWidth(token) <= left) put(token, style);
      else if (token.startsWith(" ")) nextRow();
      else {
        if (textWidth(token) <= room) nextRow();
        for (let rest = token; rest !== ""; ) {
          // A character that is wider than the whole row is taken all the same.
          const part = headOf(rest, left) || (left >= room ? ([...rest][0] ?? "") : "");
          if (part !== "") put(part, style);
          rest = rest.slice(part.length);
          if (rest !== "") nextRow();
        }
      }
    }
  }
  return rows;
}

/** The same line with each place marked where the words stand. */
export function markWords(line: Line, words: string): Line {
  const wanted = words.toLowerCase();
  if (wanted === "") return line;
  return line.flatMap(({ text, style }): Span[] => {
    const parts: Span[] = [];
    const lower = text.toLowerCase();
    // In some languages the small letters are more than the big ones were: then places do not fit.
    if (lower.length !== text.length) return [{ text, style }];
    let from = 0;
    for (let at = lower.indexOf(wanted); at !== -1; at = lower.indexOf(wanted, from)) {
      parts.push({ text: text.slice(from, at), style }, { text: text.slice(at, at + wanted.length), style: "match" });
      from = at + wanted.length;
    }
    return [...parts, { text: text.slice(from), style }];
  });
}
