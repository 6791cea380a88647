/** With `fsync: turn` what somebody is told of as done is on the disk before: the order is write, sync, told. */
import { expect, onTestFinished, test } from "vitest";
import { noUsage, type SessionEvent } from "../../../src/protocol/event.ts";
import type { Fsync } from "../../../src/session/log.ts";
import { type DiskDiary, keepDiskDiary } from "./disk-diary.ts";
import { exited, type Made, makeSession, said, sidecarBatch } from "./make-session.ts";

const typed: SessionEvent = { type: "user_message", data: { text: "hi", turn_id: "t1", kind: "prompt" } };
const ended: SessionEvent = {
  type: "result",
  data: {
    turn_id: "t1",
    session_id: "s",
    status: "success",
    cost_usd: 0,
    duration_ms: 1,
    num_turns: 1,
    usage: noUsage,
  },
};
const answered: SessionEvent = { type: "input_resolved", data: { request_id: "r1", decision: "deny", by: "client" } };

/** A session whose followers, observer and callers write into the diary when they are told of something. */
async function watched(fsync: Fsync): Promise<Made & { diary: DiskDiary }> {
  const diary = await keepDiskDiary();
  onTestFinished(() => diary.remove());
  const made = await makeSession({ fsync });
  onTestFinished(() => made.remove());
  made.session.follow(() => diary.entries.push("follower told"));
  const onStored = made.witness.onStored.bind(made.witness);
  made.witness.onStored = (sidecarSeq) => {
    diary.entries.push(`sidecar told of ${sidecarSeq}`);
    onStored(sidecarSeq);
  };
  return { ...made, diary };
}

test.each([
  ["a message", typed],
  ["a result", ended],
  ["an answer", answered],
  ["an exit", exited()],
] satisfies [string, SessionEvent][])("%s of the sidecar is synced before anybody is told of it", async (_, event) => {
  const { session, diary } = await watched("turn");
  session.appendBatch(sidecarBatch(1, [event]));
  await session.storedUpTo(1);
  expect(diary.entries).toEqual(["write", "synced", "follower told", "sidecar told of 1"]);
});

test("lines that tell nobody of anything as done wait for no disk", async () => {
  const { session, diary } = await watched("turn");
  session.appendBatch(sidecarBatch(1, [said("one"), said("two")]));
  await session.storedUpTo(2);
  expect(diary.entries).toEqual(["write", "follower told", "sidecar told of 2"]);
});

test("a result among other lines, or behind ones that are on their way, is synced too", async () => {
  const { session, diary } = await watched("turn");
  session.appendBatch(sidecarBatch(1, [said("one")]));
  session.appendBatch(sidecarBatch(2, [said("two"), ended, said("three")]));
  await session.storedUpTo(4);
  const { entries } = diary;
  expect(entries.filter((entry) => entry === "synced")).toHaveLength(1);
  expect(entries.indexOf("synced")).toBeGreaterThan(entries.lastIndexOf("write"));
  expect(entries.indexOf("sidecar told of 4")).toBeGreaterThan(entries.indexOf("synced"));
});

test("what the daemon itself adds is synced before its request is answered", async () => {
  const { session, diary } = await watched("turn");
  await session.appendOwn([typed]);
  diary.entries.push("answered");
  expect(diary.entries).toEqual(["write", "synced", "follower told", "sidecar told of 0", "answered"]);
});

test("with fsync always every line is synced before it is told, with never none", async () => {
  const always = await watched("always");
  always.session.appendBatch(sidecarBatch(1, [said("one")]));
  await always.session.storedUpTo(1);
  expect(always.diary.entries).toEqual(["write", "synced", "follower told", "sidecar told of 1"]);
  always.diary.remove();
  const never = await watched("never");
  await never.session.appendOwn([typed, ended]);
  expect(never.diary.entries).not.toContain("synced");
});
