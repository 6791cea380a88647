/**
 * Lines of a session's log by where they stand: of a span, or those before an offset. What is none, because a file was torn, or is of a
 * version that is newer than ours, is passed over.
 */
import { knownLogLine } from "../../protocol/line.ts";
import type { Span } from "./item-table.ts";
import type { Located } from "./line-reader.ts";

const pieceBytes = 1024 * 1024;
/** No line is longer: what is, the daemon puts into a blob. */
const pieceBytesMax = 128 * 1024 * 1024;
const newline = 0x0a;

/** The bytes of a log within a span; fewer where it ends before. */
export type ReadBytes = (span: Span) => Promise<Uint8Array>;

/** The lines within it. */
export async function readSpan(readBytes: ReadBytes, span: Span): Promise<Located[]> {
  return linesOf(await readBytes(span), span.start);
}

export interface Piece {
  lines: Located[];
  /** Where the first of them begins, and the last one ends. */
  span: Span;
}

/** Some of the whole lines before an offset, the nearest, oldest first: about 1 MiB. */
export async function readBack(readBytes: ReadBytes, before: number): Promise<Piece> {
  for (let bytes = pieceBytes; ; bytes *= 4) {
    const from = Math.max(0, before - bytes);
    const read = await readBytes({ start: from, end: before });
    // A piece begins within a line, unless it is the first.
    const head = from === 0 ? 0 : read.indexOf(newline) + 1;
    const tail = read.lastIndexOf(newline) + 1;
    if (head < tail && (from === 0 || head > 0)) {
      return { lines: linesOf(read.subarray(head, tail), from + head), span: { start: from + head, end: from + tail } };
    }
    if (from === 0) return { lines: [], span: { start: 0, end: from + tail } };
    if (bytes >= pieceBytesMax)
      throw new RangeError(`Cannot read the log before byte ${before}: no line ends within ${bytes} bytes before it`);
  }
}

function linesOf(bytes: Uint8Array, start: number): Located[] {
  const decoder = new TextDecoder();
  const lines: Located[] = [];
  for (let at = 0; at < bytes.length; ) {
    const found = bytes.indexOf(newline, at);
    const end = found === -1 ? bytes.length : found + 1;
    const line = knownLogLine(decoder.decode(bytes.subarray(at, end)));
    if (line) lines.push({ line, span: { start: start + at, end: start + end } });
    at = end;
  }
  return lines;
}
