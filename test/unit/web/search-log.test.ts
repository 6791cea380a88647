/** Words in a log: found from its end upwards and from its beginning downwards, in what people see, a page at a time. */
import { expect, test } from "vitest";
import { Conversation } from "../../../src/web/session/conversation.ts";
import { readBack } from "../../../src/web/session/log-lines.ts";
import { Past } from "../../../src/web/session/past.ts";
import { LogSearch, type SearchAsked, type SearchProgress } from "../../../src/web/session/search-log.ts";

const turn_id = "t1";
const says = (text: string, delta = false) => ({
  type: "agent_message",
  data: { turn_id, item_id: "m", text, delta },
});
const calls = (id: string, input: object) => ({
  type: "tool_use",
  data: { turn_id, id, name: "Bash", kind: "execute", input },
});
const came = (id: string, output: string) => ({
  type: "tool_result",
  data: { turn_id, id, name: "Bash", output, is_error: false, duration_ms: 1 },
});
const long = (chars: number) => says("x".repeat(chars));

/** Of which nothing was read but that it has so many bytes. `reads` are those of the search. */
async function searched(events: readonly object[], { isFull = false } = {}) {
  const log = Buffer.from(
    events
      .map((event, at) => `${JSON.stringify({ ...event, timestamp: 1000 + at, sidecar_seq: at + 1, seq: at + 1 })}\n`)
      .join(""),
  );
  const reads: number[] = [];
  const readBytes = async ({ start, end }: { start: number; end: number }) => {
    reads.push(end - start);
    return new Uint8Array(log.subarray(start, end));
  };
  const conversation = new Conversation(log.length);
  const real = new Past({
    conversation,
    signal: new AbortController().signal,
    read: (before) => readBack(readBytes, before),
    onRead: () => undefined,
    onFault: (error) => {
      throw error;
    },
  });
  const past = isFull ? { hasMore: false, backTo: async () => undefined } : real;
  const search = new LogSearch({ conversation, past, readBytes });
  const steps: SearchProgress[] = [];
  const next = (words: string, more: Partial<SearchAsked> = {}) =>
    search.next({
      ...{ words, direction: "up", signal: new AbortController().signal, onProgress: (step) => steps.push(step) },
      ...more,
    });
  /** Which event was found, by its time. */
  const places = async (words: string, ...directions: SearchAsked["direction"][]) => {
    const found: (number | undefined)[] = [];
    for (const direction of directions) found.push((await next(words, { direction }))?.at);
    return found.map((at) => at && at - 1000);
  };
  return { conversation, next, places, steps, reads };
}

test("the newest is found first, then one after the other further up, and down again", async () => {
  const { places } = await searched(["a fault", "well", "no Fault", "fault!", "end"].map((text) => says(text)));
  expect(await places("fault", "up", "up", "up", "up", "up")).toEqual([3, 2, 0, undefined, 3]);
  expect(await places("FAULT", "up", "up", "down", "down", "down")).toEqual([3, 2, 3, undefined, 0]);
  expect(await places("nowhere", "up", "down")).toEqual([undefined, undefined]);
});

test("what people see is looked at, not the names of fields, nor pieces of a message that comes whole", async () => {
  const { places } = await searched([
    came("error-1", "is_error"),
    came("c2", "fine"),
    calls("c3", { command: "say execute", deep: { port: 8090 } }),
    says("pieces", true),
    { type: "system", data: { subtype: "trace", message: "pieces" } },
    says('in "quotes"'),
  ]);
  expect(await places("error", "up", "up")).toEqual([0, undefined]);
  expect(await places("execute", "up", "up")).toEqual([2, undefined]);
  expect(await places("port", "up")).toEqual([2]);
  expect(await places("8090", "up")).toEqual([2]);
  expect(await places("pieces", "up")).toEqual([undefined]);
  expect(await places('"quotes"', "up")).toEqual([5]);
});

test("what was not read is read back to what was found, of which the item is told", async () => {
  const { next, conversation, steps } = await searched([
    says("first"),
    calls("c", {}),
    long(3_000_000),
    long(900_000),
    long(900_000),
    came("c", "z"),
  ]);
  expect(await next("first")).toMatchObject({ at: 1000, key: conversation.items.first });
  expect(conversation.start).toBe(0);
  expect(steps[0]).toEqual({ act: "searching", doneBytes: 0, ofBytes: conversation.offset, at: undefined });
  expect(new Set(steps.map(({ act }) => act))).toEqual(new Set(["searching", "reading"]));
  const reading = steps.filter(({ act }) => act === "reading");
  const parts = reading.map(({ doneBytes, ofBytes }) => doneBytes / ofBytes);
  expect(parts).toEqual(parts.toSorted((a, b) => a - b));
  expect(reading.at(-1)?.doneBytes).toBe(reading.at(-1)?.ofBytes);
  // A result is where its call is.
  const result = await next("z");
  expect(conversation.items.at(result?.key ?? Number.NaN).second).toBeDefined();
});

test("a search that is stopped goes on where it was, and finds what it was about to show", async () => {
  const events = [says("first"), ...Array.from({ length: 8 }, () => long(700_000))];
  const { next, conversation, reads } = await searched(events);
  const stop = new AbortController();
  let pages = 0;
  const onProgress = () => {
    if (++pages === 4) stop.abort();
  };
  expect(await next("first", { signal: stop.signal, onProgress })).toBeUndefined();
  expect(conversation.start).toBe(conversation.offset);
  const before = reads.length;
  const stopAgain = new AbortController();
  const stopReading = ({ act }: SearchProgress) => {
    if (act === "reading") stopAgain.abort();
  };
  expect(await next("first", { signal: stopAgain.signal, onProgress: stopReading })).toBeUndefined();
  // Of its eight pages four were looked through before.
  expect(reads.length - before).toBeLessThan(8);
  expect(conversation.start).toBeGreaterThan(0);
  expect(await next("first")).toMatchObject({ at: 1000 });
  expect(conversation.start).toBe(0);
});

test("what is further up than can be shown is told with what stands around it", async () => {
  const { next } = await searched([says(`${"a ".repeat(500)}the needle\nis here`), says("end")], { isFull: true });
  const found = await next("needle");
  expect(found).toMatchObject({ at: 1000, key: undefined });
  expect(found?.excerpt).toMatch(/^(?:a )+the needle is here$/);
});
