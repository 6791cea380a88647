/** Lines by where they stand in a log, also in one that holds what we do not know. */
import { expect, test } from "vitest";
import { readBack, readSpan } from "../../../src/web/session/log-lines.ts";

const numbers = { timestamp: 1, sidecar_seq: 1, seq: 1 };
const known = (text: string) => `${JSON.stringify({ type: "stdout", data: { text }, ...numbers })}\n`;
const foreign = `${JSON.stringify({ type: "of_tomorrow", data: { text: "x" }, ...numbers })}\n`;
const torn = '{"type":"stdout","data":{"te\n';

function log(...lines: string[]) {
  const bytes = Buffer.from(lines.join(""));
  const read = async ({ start, end }: { start: number; end: number }) => bytes.subarray(start, end);
  const startOf = (line: string) => bytes.indexOf(line);
  return { read, startOf, size: bytes.length };
}

test("what is torn or of another version is passed over, and what stands around it is where it is", async () => {
  const { read, startOf, size } = log(known("a"), foreign, torn, known("b"), foreign);
  const piece = await readBack(read, size);
  expect(piece.span).toEqual({ start: 0, end: size });
  expect(piece.lines.map(({ line, span }) => [line.data, span.start])).toEqual([
    [{ text: "a" }, 0],
    [{ text: "b" }, startOf(known("b"))],
  ]);
  expect(await readSpan(read, piece.span)).toEqual(piece.lines);
});

test("a log of nothing that we know is read to its beginning all the same", async () => {
  const { read, size } = log(...Array.from({ length: 20_000 }, () => foreign));
  let before = size;
  while (before > 0) {
    const { lines, span } = await readBack(read, before);
    expect(lines).toEqual([]);
    expect(span.end).toBe(before);
    before = span.start;
  }
  expect(size).toBeGreaterThan(1024 * 1024);
});
