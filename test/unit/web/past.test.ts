/** What stands before what was read: a piece that cannot be read is no end of it. */
import { expect, test } from "vitest";
import { parseLogLine } from "../../../src/protocol/line.ts";
import { Conversation } from "../../../src/web/session/conversation.ts";
import { Past } from "../../../src/web/session/past.ts";
import { eventually } from "../../support/eventually.ts";

const line = parseLogLine(
  JSON.stringify({ type: "stderr", data: { text: "x" }, timestamp: 1, sidecar_seq: 1, seq: 1 }),
);

/** A log of so many lines of ten bytes, of which none was read; `refuses` says which tries come to nothing. */
function past(count: number, refuses: (tryNumber: number) => boolean) {
  const conversation = new Conversation(count * 10);
  const faults: unknown[] = [];
  let tries = 0;
  const it = new Past({
    conversation,
    signal: new AbortController().signal,
    read: async (before) => {
      if (refuses(++tries)) throw new RangeError("unreadable");
      const span = { start: before - 10, end: before };
      return { lines: [{ line, span }], span };
    },
    onRead: () => undefined,
    onFault: (error) => faults.push(error),
  });
  return { it, conversation, faults, tries: () => tries };
}

test("a piece that could not be read is read when it is wanted again, and not for each time the list is drawn", async () => {
  const { it, conversation, faults, tries } = past(3, (number) => number === 1);
  for (let drawn = 0; drawn < 100; drawn++) {
    it.want();
    await Promise.resolve();
  }
  expect([tries(), faults.length, it.hasMore]).toEqual([1, 1, true]);
  await eventually(() => {
    it.want();
    return conversation.start === 0;
  });
  expect([tries(), faults.length, it.hasMore]).toEqual([4, 1, false]);
});

test("who reads back to a place ends where nothing can be read, and goes on from there the next time", async () => {
  const { it, conversation, faults } = past(5, (number) => number === 3);
  const { signal } = new AbortController();
  await it.backTo(0, signal);
  expect([conversation.start, faults.length]).toEqual([30, 1]);
  await it.backTo(0, signal);
  expect([conversation.start, faults.length]).toEqual([0, 1]);
});
