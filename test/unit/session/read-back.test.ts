import { expect, test } from "vitest";
import { encodeDaemonLine } from "../../../src/protocol/line.ts";
import { readLinesBack } from "../../../src/session/read-back.ts";
import { readLines } from "../../../src/session/read-lines.ts";

const every = /^\{"type":"(?:user_message|result|stdout)"/;

function logOf(texts: readonly string[]) {
  const lines = texts.map((text, index) =>
    encodeDaemonLine({ type: "stdout", data: { text } }, { timestamp: 1, sidecarSeq: 0, seq: index + 1 }),
  );
  const bytes = Buffer.from(lines.join(""));
  return { end: bytes.length, readStored: async (from: number, to: number) => bytes.subarray(from, to) };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test.each([
  ["none", []],
  ["one", ["a"]],
  ["short ones", ["a", "", "ünïcode 漢字 👍🏽"]],
  ["many", Array.from({ length: 20_000 }, (_, i) => `line ${i} 漢`)],
  ["longer than a step", ["a", "漢".repeat(400_000), "b", "x".repeat(256 * 1024), "c"]],
])("reads the lines of a log backwards: %s", async (_what, texts) => {
  const log = logOf(texts);
  const back = await all(readLinesBack(log, every));
  expect(back.map(({ line }) => line).reverse()).toEqual(await all(readLines(log, every)));
});

test("passes over what does not match", async () => {
  expect(await all(readLinesBack(logOf(["a", "b"]), /^\{"type":"result"/))).toEqual([]);
});
