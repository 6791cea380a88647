import { expect, test } from "vitest";
import { grown } from "../../../sidecar/bounded-memory.ts";
import { RequestLine } from "../../../sidecar/opencode/request-line.ts";
import { OwedMessages } from "../../../sidecar/owed-messages.ts";
import { ToolCalls } from "../../../sidecar/tool-calls.ts";
import { noUsage } from "../../../src/protocol/event.ts";

const tool = { name: "Bash", kind: "execute" } as const;
const result = (turn_id: string) => ({
  event: {
    type: "result" as const,
    data: {
      turn_id,
      session_id: "s",
      status: "success" as const,
      cost_usd: null,
      duration_ms: 0,
      num_turns: 1,
      usage: noUsage,
    },
  },
});

test("of 5,000 calls that an agent leaves open 1,000 are followed; each of the others gets its one end", () => {
  const calls = new ToolCalls();
  const call = (n: number) => ({ id: `c${n}`, tool, input: {}, turnId: "t1", parentId: undefined });
  const events = Array.from({ length: 5000 }, (_, n) => calls.start(call(n), n)).flat();
  const ends = events.flatMap(({ type, data }) => (type === "tool_result" ? [data] : []));
  expect(ends.map(({ id }) => id)).toEqual(Array.from({ length: 4000 }, (_, n) => `c${n}`));
  expect(ends.every(({ synthetic }) => synthetic)).toBe(true);
  // What comes of it late is no second end, and it does not begin again.
  expect(calls.end({ id: "c0", content: "", isError: false }, 1)).toBeUndefined();
  expect(calls.start(call(0), 1)).toEqual([]);
  expect(calls.abandon("all", 1)).toHaveLength(1000);
});

test("1,000 messages may wait for the end of their turn, of whichever turn; a result makes room", () => {
  const owed = new OwedMessages();
  for (let n = 0; n < 1000; n++) {
    owed.assertRoom(1);
    owed.add(n < 400 ? "t1" : "t2", 1);
  }
  expect(() => owed.assertRoom(1)).toThrow("1000 wait for the end of their turn");
  owed.note([result("t9")]);
  expect(() => owed.assertRoom(1)).toThrow();
  owed.note([result("t1")]);
  for (let n = 0; n < 400; n++) owed.add("t3", 1);
  expect(() => owed.assertRoom(1)).toThrow();
});

test("64 MiB of messages may wait for the end of their turn", () => {
  const owed = new OwedMessages();
  owed.add("t1", 60 * 1024 * 1024);
  expect(() => owed.assertRoom(5 * 1024 * 1024)).toThrow("Cannot pass on the message");
  owed.settle("t1");
  expect(() => owed.assertRoom(5 * 1024 * 1024)).not.toThrow();
});

test("2,000 requests may wait for a server that does not answer; the others fail at once, and nothing is remembered of them", async () => {
  let answer: () => void = () => undefined;
  const standing = new Promise<undefined>((resolve) => {
    answer = () => resolve(undefined);
  });
  const line = new RequestLine(() => standing as never);
  const refusals: string[] = [];
  const all = Array.from({ length: 5000 }, () =>
    line.add(
      async () => undefined,
      (error) => void refusals.push(String(error)),
    ),
  );
  await Promise.all(all.slice(2000));
  expect(refusals).toHaveLength(3000);
  expect(refusals[0]).toContain("2000 requests wait already");
  answer();
  await Promise.all(all);
  await line.add(
    async () => undefined,
    () => void refusals.push("after"),
  );
  expect(refusals).toHaveLength(3000);
});

test("text that streams without end is kept to its first 4 Mi characters", () => {
  let text = "";
  for (let n = 0; n < 100; n++) text = grown(text, "x".repeat(100_000));
  expect(text).toHaveLength(4 * 1024 * 1024);
});
