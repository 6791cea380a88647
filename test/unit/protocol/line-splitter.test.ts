import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LineSplitter } from "../../../src/protocol/ndjson.ts";

const fragments = fc.constantFrom(
  "a",
  "é",
  "€",
  "😀",
  "\r",
  "\n",
  "\r\n",
  "\n\n",
  "\u2028",
  "word ",
  '{"k":1}\n',
  "\uFEFF",
);
const streams = fc.oneof(
  fc.array(fragments, { maxLength: 60 }).map((parts) => Buffer.from(parts.join(""))),
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);
const cuts = fc.array(fc.nat(30), { minLength: 1, maxLength: 20 });

test("gives the lines of a naive split however the bytes are cut", () => {
  void fc.assert(
    fc.property(streams, cuts, (stream, sizes) => {
      const splitter = new LineSplitter({ lineBytesMax: 1_000, onOverflow: () => expect.unreachable() });
      const lines = chunksOf(stream, sizes).flatMap((chunk) => splitter.push(chunk));
      const torn = splitter.end();
      if (torn !== undefined) lines.push(torn);
      expect(lines).toEqual(naiveLines(stream).map(({ text }) => text));
      expect(splitter.pendingBytes).toBe(0);
    }),
  );
});

test("hands every byte of a line over the limit to its sink, in its place, and keeps no more than the limit", () => {
  void fc.assert(
    fc.property(streams, cuts, fc.integer({ min: 1, max: 12 }), (stream, sizes, lineBytesMax) => {
      const seen: string[] = [];
      let sinksOpen = 0;
      const splitter = new LineSplitter({
        lineBytesMax,
        onOverflow: () => {
          const parts: Buffer[] = [];
          sinksOpen++;
          return {
            write: (bytes) => parts.push(Buffer.from(bytes)),
            end: () => {
              sinksOpen--;
              seen.push(`over:${Buffer.concat(parts).toString("hex")}`);
            },
          };
        },
      });
      for (const chunk of chunksOf(stream, sizes)) {
        seen.push(...splitter.push(chunk).map((line) => `line:${line}`));
        expect(splitter.pendingBytes).toBeLessThanOrEqual(lineBytesMax);
      }
      const torn = splitter.end();
      if (torn !== undefined) seen.push(`line:${torn}`);
      expect(sinksOpen).toBe(0);
      expect(seen).toEqual(withLimit(stream, sizes, lineBytesMax));
    }),
  );
});

test("a line of many chunks takes time in proportion to its length", () => {
  const splitter = new LineSplitter({ lineBytesMax: 64 * 1024 * 1024, onOverflow: () => expect.unreachable() });
  const chunk = Buffer.alloc(64 * 1024, "x");
  for (let i = 0; i < 256; i++) expect(splitter.push(chunk)).toEqual([]);
  expect(splitter.push(Buffer.from("\n"))[0]).toHaveLength(256 * chunk.length);
});

/** Cuts `stream` into chunks of the given sizes, over and over; fresh copies, as a pipe gives them. */
function chunksOf(stream: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < stream.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length] ?? 1);
    chunks.push(Buffer.from(stream.subarray(at, at + size)));
    at += size;
  }
  return chunks;
}

/** The model: every line with where its bytes are. */
function naiveLines(stream: Buffer): { start: number; end: number; text: string }[] {
  const lines: { start: number; end: number; text: string }[] = [];
  for (let start = 0; start < stream.length; ) {
    const newline = stream.indexOf(10, start);
    const end = newline === -1 ? stream.length : newline;
    lines.push({ start, end, text: stream.toString("utf8", start, end).replace(/\r$/, "") });
    start = end + 1;
  }
  return lines;
}

/** The model with a limit: a line goes to the sink when the bytes kept of it between two chunks pass the limit. */
function withLimit(stream: Buffer, sizes: readonly number[], lineBytesMax: number): string[] {
  const bounds: number[] = [];
  for (let at = 0, i = 0; at < stream.length; i++) {
    at += Math.max(1, sizes[i % sizes.length] ?? 1);
    bounds.push(at);
  }
  return naiveLines(stream).map(({ start, end, text }) => {
    const wholeInOneChunk = end < stream.length && !bounds.some((bound) => bound > start && bound <= end);
    return wholeInOneChunk || end - start <= lineBytesMax
      ? `line:${text}`
      : `over:${stream.subarray(start, end).toString("hex")}`;
  });
}
