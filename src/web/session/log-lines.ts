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
  const { bytes, span } = await readBytesBack(readBytes, before);
  return { lines: linesOf(bytes, span.start), span };
}

/** Whole lines as they stand in the log, and where. */
export interface WholeLines {
  bytes: Uint8Array;
  span: Span;
}

/** Those before an offset, the nearest: about 1 MiB. */
export async function readBytesBack(readBytes: ReadBytes, before: number): Promise<WholeLines> {
  for (let length = pieceBytes; ; length *= 4) {
    const from = Math.max(0, before - length);
    const read = await readBytes({ start: from, end: before });
    // A piece begins within a line, unless it is the first.
    const head = from === 0 ? 0 : read.indexOf(newline) + 1;
    const tail = read.lastIndexOf(newline) + 1;
    if (head < tail && (from === 0 || head > 0))
      return { bytes: read.subarray(head, tail), span: { start: from + head, end: from + tail } };
    if (from === 0) return { bytes: new Uint8Array(), span: { start: 0, end: from + tail } };
    if (length >= pieceBytesMax)
      throw new RangeError(`Cannot read the log before byte ${before}: no line ends within ${length} bytes before it`);
  }
}

/** Those from where a line begins, the nearest: about 1 MiB. None where no line ends before `to`. */
export async function readBytesOn(readBytes: ReadBytes, { start, end: to }: Span): Promise<WholeLines> {
  for (let length = pieceBytes; ; length *= 4) {
    const end = Math.min(to, start + length);
    const read = end > start ? await readBytes({ start, end }) : new Uint8Array();
    const tail = read.lastIndexOf(newline) + 1;
    if (tail > 0 || end === to || read.length < end - start)
      return { bytes: read.subarray(0, tail), span: { start, end: start + tail } };
    if (length >= pieceBytesMax)
      throw new RangeError(`Cannot read the log from byte ${start}: no line ends within ${length} bytes behind it`);
  }
}

/** Where each line of them begins and ends within them. */
export function* lineSpans(bytes: Uint8Array): Generator<Span> {
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(newline, start);
    const end = found === -1 ? bytes.length : found + 1;
    yield { start, end };
    start = end;
  }
}

function linesOf(bytes: Uint8Array, at: number): Located[] {
  const decoder = new TextDecoder();
  const lines: Located[] = [];
  for (const { start, end } of lineSpans(bytes)) {
    const line = knownLogLine(decoder.decode(bytes.subarray(start, end)));
    if (line) lines.push({ line, span: { start: at + start, end: at + end } });
  }
  return lines;
}
