/** Lines of a session's log by where they stand: of a span, or those before an offset. */
import { readLogRange } from "../../client/sessions.ts";
import { type LogLine, parseLogLine } from "../../protocol/line.ts";
import { address } from "../page/standing.ts";
import type { Span } from "./item-table.ts";
import type { Located } from "./line-reader.ts";

const pieceBytes = 1024 * 1024;
/** No line is longer: what is, the daemon puts into a blob. */
const pieceBytesMax = 128 * 1024 * 1024;
const newline = 0x0a;

/** The lines within it; a file that was torn may hold what is none of ours. */
export async function readSpan(id: string, { start, end }: Span, signal?: AbortSignal): Promise<Located[]> {
  const bytes = await readLogRange(address(), { id, from: start, to: end, signal });
  return linesOf(bytes, start).flatMap(({ text, span }) => {
    const line = parsed(text);
    return line ? [{ line, span }] : [];
  });
}

export interface Piece {
  lines: Located[];
  /** Where the first of them begins, and the last one ends. */
  span: Span;
}

/** Some of the whole lines before an offset, the nearest, oldest first: about 1 MiB. */
export async function readBack(id: string, before: number, signal: AbortSignal): Promise<Piece> {
  for (let bytes = pieceBytes; ; bytes *= 4) {
    const from = Math.max(0, before - bytes);
    const read = await readLogRange(address(), { id, from, to: before, signal });
    // A piece begins within a line, unless it is the first.
    const head = from === 0 ? 0 : read.indexOf(newline) + 1;
    const tail = read.lastIndexOf(newline) + 1;
    if (head < tail && (from === 0 || head > 0)) {
      const lines = linesOf(read.subarray(head, tail), from + head);
      const located = lines.map(({ text, span }) => ({ line: parseLogLine(text), span }));
      return { lines: located, span: { start: from + head, end: from + tail } };
    }
    if (from === 0) return { lines: [], span: { start: 0, end: from + tail } };
    if (bytes >= pieceBytesMax)
      throw new RangeError(`Cannot read the log before byte ${before}: no line ends within ${bytes} bytes before it`);
  }
}

function linesOf(bytes: Uint8Array, start: number): { text: string; span: Span }[] {
  const decoder = new TextDecoder();
  const lines: { text: string; span: Span }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(newline, at);
    const end = found === -1 ? bytes.length : found + 1;
    lines.push({ text: decoder.decode(bytes.subarray(at, end)), span: { start: start + at, end: start + end } });
    at = end;
  }
  return lines;
}

function parsed(text: string): LogLine | undefined {
  try {
    return parseLogLine(text);
  } catch {
    return undefined;
  }
}
