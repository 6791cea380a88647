import fc from "fast-check";
import { expect, test } from "vitest";
import { ImportedLog } from "../../../src/chats/imported-log.ts";
import type { ChatMessage } from "../../../src/protocol/chat.ts";

const kibibyte = 1024;

function said(text: string, at: number): ChatMessage {
  const timestamp = new Date(at).toISOString();
  return { session_id: "s", type: "agent_message", data: { text }, offset: at * 7, timestamp };
}

/** A file in memory that counts what is read of it. */
function fileOf(messages: readonly ChatMessage[]) {
  const bytes = Buffer.from(messages.map((message) => `${JSON.stringify(message)}\n`).join(""));
  const file = {
    end: bytes.length,
    bytesRead: 0,
    readStored: async (from: number, to: number) => {
      file.bytesRead += to - from;
      return bytes.subarray(from, to);
    },
  };
  return file;
}

async function all<T>(from: AsyncIterable<T>, max = Number.POSITIVE_INFINITY): Promise<T[]> {
  const found: T[] = [];
  for await (const one of from) {
    found.push(one);
    if (found.length >= max) break;
  }
  return found;
}

const anyText = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: "grapheme", maxLength: 200 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 300 * kibibyte }).map((length) => "ä\n".repeat(length / 3)) },
);

test("gives every message, back from any line and forward, whatever length the lines have", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyText, { maxLength: 40 }), fc.integer({ min: 0, max: 50 }), async (texts, before) => {
      const messages = texts.map(said);
      const log = await ImportedLog.open(fileOf(messages));
      expect((await all(log.forward())).map(({ message, line }) => [line, message])).toEqual([...messages.entries()]);
      const back = (await all(log.back(before))).map(({ message, line }) => [line, message]);
      expect(back).toEqual([...messages.slice(0, before).entries()].reverse());
    }),
    { numRuns: 60 },
  );
});

test("a page of a long one costs what the page has, wherever it is", async () => {
  const file = fileOf(Array.from({ length: 40_000 }, (_, at) => said(`message ${at} ${"word ".repeat(20)}`, at)));
  const log = await ImportedLog.open(file);
  for (const before of [40_000, 39_123, 20_000, 77]) {
    file.bytesRead = 0;
    const page = await all(log.back(before), 100);
    expect(page.map(({ line }) => line)).toEqual(Array.from({ length: page.length }, (_, at) => before - 1 - at));
    expect(page[0]?.message.data["text"]).toContain(`message ${before - 1} `);
    expect(file.bytesRead).toBeLessThan(160 * kibibyte);
  }
});

test("a line that went bad on the disk is left out, back and forward, and the others keep their places", async () => {
  const messages = ["one", "two", "three"].map(said);
  const { end, readStored } = fileOf(messages);
  const bytes = Buffer.from(await readStored(0, end));
  bytes.fill(0, bytes.indexOf("two"), bytes.indexOf("two") + 3);
  const log = await ImportedLog.open({ end, readStored: async (from, to) => bytes.subarray(from, to) });
  expect((await all(log.forward())).map(({ line }) => line)).toEqual([0, 2]);
  expect((await all(log.back(3))).map(({ line }) => line)).toEqual([2, 0]);
});
