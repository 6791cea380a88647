import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bridge, openBridge } from "../../../src/bridge/bridge.ts";
import { ClientRoom } from "../../../src/bridge/client-room.ts";
import { eventually } from "../../support/eventually.ts";
import { exited, type Made, makeSession, noted, said, sidecarBatch } from "../session/make-session.ts";
import { PacedClient } from "./paced-client.ts";

let made: Made;
let bridges: Bridge[];
let room: ClientRoom;
beforeEach(async () => {
  made = await makeSession({ ringBytesMax: 20_000 });
  bridges = [];
  room = new ClientRoom({ bytesMax: 256 * 1024 * 1024 });
});
afterEach(async () => {
  for (const bridge of bridges) bridge.close();
  await made.remove();
});

function attach(since?: number, options: { isReading?: boolean; clientStallMs?: number } = {}) {
  const client = new PacedClient();
  client.isReading = options.isReading ?? true;
  const { clientStallMs = 60_000 } = options;
  const bridge = openBridge({ session: made.session, client, room, since, clientStallMs });
  bridges.push(bridge);
  return { client, bridge };
}

let last = 0;
beforeEach(() => {
  last = 0;
});
function say(...texts: string[]): void {
  made.session.appendBatch(sidecarBatch(last + 1, texts.map(said)));
  last += texts.length;
}

/** Ends the session as its attendance does. */
async function end(code = 0): Promise<void> {
  made.session.appendBatch(sidecarBatch(++last, [exited(code)]));
  await made.session.appendOwn([]).catch(() => undefined);
  made.session.apply({ type: "ended", reason: "finished", exitCode: code, endedAt: 1 });
  await made.session.seal();
}

test("from any offset and at any pace a client gets exactly the log, in whole lines, and one connected between", async () => {
  const clients = fc.array(
    fc.record({
      at: fc.nat(9),
      since: fc.option(fc.double({ min: 0, max: 1.1, noNaN: true }), { nil: undefined }),
      stalls: fc.array(fc.nat(3), { maxLength: 12 }),
    }),
    { minLength: 1, maxLength: 6 },
  );
  const texts = fc.array(
    fc.oneof(fc.string({ maxLength: 40 }), fc.constant("é".repeat(2000)), fc.constant("x".repeat(300_000))),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(clients, fc.array(texts, { minLength: 10, maxLength: 10 }), async (given, rounds) => {
      await made.remove();
      made = await makeSession({ ringBytesMax: 20_000 });
      last = 0;
      made.session.apply({ type: "launched", isAdopted: false });
      const readers: { client: PacedClient; from: number }[] = [];
      for (const [round, lines] of rounds.entries()) {
        for (const { at, since, stalls } of given) {
          if (at !== round) continue;
          const offset = since === undefined ? undefined : Math.round(since * made.session.end);
          const from = Math.min(offset ?? made.session.end, made.session.end);
          const { client } = attach(offset, { isReading: false });
          readers.push({ client, from });
          void readInFits(client, stalls);
        }
        say(...lines);
        if (round % 3 === 0) await made.session.appendOwn([noted("own")]);
        await new Promise(setImmediate);
      }
      await end(7);
      const log = await made.session.readStored(0, made.session.end);
      for (const { client, from } of readers) {
        await eventually(() => client.closed && client.waitingBytes === 0, { what: "the close", deadlineMs: 3000 });
        expect(client.closed).toEqual({ code: 1000, reason: "the session has ended" });
        expect(client.bytes.equals(log.subarray(from))).toBe(true);
        checkFrames(client, from);
      }
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

/** Reads message by message with pauses, then all there is until the end. */
async function readInFits(client: PacedClient, stalls: readonly number[]): Promise<void> {
  for (const stall of stalls) {
    for (let i = 0; i < stall; i++) await new Promise(setImmediate);
    client.read(1);
  }
  client.isReading = true;
  client.read();
}

function checkFrames(client: PacedClient, from: number): void {
  expect(client.types.filter((type) => type === "connected")).toHaveLength(1);
  expect(client.frames.at(-1)).toEqual({ type: "exit", exit_code: 7 });
  const order = client.types.filter((type) => type !== "paused");
  expect([
    "replay connected stdout exit",
    "connected stdout exit",
    "replay connected exit",
    "connected exit",
  ]).toContain(order.join(" "));
  let at = from;
  for (const { bytes, offset } of client.chunks) {
    at += bytes.length;
    expect(offset).toBe(at);
    expect(bytes.at(-1)).toBe(0x0a);
    expect(at === from + bytes.length || bytes[0] === 0x7b).toBe(true);
  }
}

describe("a client that does not read", () => {
  test("is given a bounded amount, and is closed with 1013 once it has stalled for too long", async () => {
    const { client, bridge } = attach(0, { isReading: false, clientStallMs: 1000 });
    const { client: other } = attach(0);
    for (let i = 0; i < 100; i++) {
      say("x".repeat(100_000));
      await made.session.appendOwn([noted("own")]);
    }
    await eventually(() => other.bytes.length === made.session.end);
    expect(client.waitingMax).toBeLessThan(2 * 1024 * 1024);
    bridge.checkStall(10_000);
    bridge.checkStall(10_999);
    expect(client.closed).toBeUndefined();
    bridge.checkStall(11_000);
    expect(client.closed).toEqual({ code: 1013, reason: "not read for 1 s; reconnect with since=" });
    expect(other.closed).toBeUndefined();
  });

  test("costs no more when it asks and asks without reading the answers", () => {
    const { client, bridge } = attach(undefined, { isReading: false });
    for (let i = 0; i < 200_000 && !client.closed; i++)
      bridge.tell({ type: "error", error: "no such thing", code: "unknown_frame" });
    expect(client.closed?.code).toBe(1013);
    expect(client.waitingMax).toBeLessThan(4 * 1024 * 1024);
  });

  test("is not stalled as long as it takes a message now and then", async () => {
    const { client, bridge } = attach(0, { isReading: false, clientStallMs: 1000 });
    for (let i = 0; i < 20; i++) say("x".repeat(100_000));
    await eventually(() => client.waitingBytes > 1024 * 1024);
    for (let now = 0; now < 5000; now += 900) {
      bridge.checkStall(now);
      client.read(1);
      await new Promise(setImmediate);
    }
    expect(client.closed).toBeUndefined();
  });

  test("is not stalled as long as some of a large message leaves now and then", async () => {
    const { client, bridge } = attach(0, { isReading: false, clientStallMs: 1000 });
    say("x".repeat(8_000_000));
    await eventually(() => client.waitingBytes > 8_000_000);
    for (let now = 0; now < 5000; now += 900) {
      bridge.checkStall(now);
      client.partlyRead += 1000;
    }
    expect(client.closed).toBeUndefined();
    bridge.checkStall(5000);
    bridge.checkStall(6000);
    expect(client.closed?.code).toBe(1013);
  });

  test("is not closed at the session's end before all has left, nor kept for ever", async () => {
    const { client, bridge } = attach(0, { isReading: false, clientStallMs: 1000 });
    const { client: other, bridge: otherBridge } = attach(0, { isReading: false, clientStallMs: 1000 });
    say("x".repeat(100_000));
    await end();
    await eventually(() => client.waitingBytes > 100_000 && other.waitingBytes > 100_000);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    expect(client.closed).toBeUndefined();
    client.read();
    expect(client.types.at(-1)).toBe("exit");
    expect(client.closed).toEqual({ code: 1000, reason: "the session has ended" });
    for (const now of [0, 1000]) for (const each of [bridge, otherBridge]) each.checkStall(now);
    expect(client.closed?.code).toBe(1000);
    expect(other.closed?.code).toBe(1013);
  });
});

test("without since only what comes is sent", async () => {
  say("before");
  await made.session.appendOwn([noted("own")]);
  const from = made.session.end;
  const { client } = attach();
  say("after");
  await eventually(() => client.chunks.length > 0);
  expect(client.types).toEqual(["connected", "stdout"]);
  expect(client.bytes).toEqual(await made.session.readStored(from, made.session.end));
});

test("a client of an ended session gets the replay, connected, exit, and the close", async () => {
  say("all");
  await end(3);
  const { client } = attach(0);
  await eventually(() => client.closed);
  client.read();
  expect(client.types).toEqual(["replay", "connected", "exit"]);
  expect(client.closed?.code).toBe(1000);
});

test("one whose connection throws is closed, and the others hear what it was woken for", async () => {
  const { client: broken } = attach();
  const { client } = attach();
  broken.sendShared = () => {
    throw new Error("write after end");
  };
  broken.send = broken.sendShared;
  say("to all");
  await eventually(() => client.bytes.includes("to all"));
  expect(broken.closed).toEqual({ code: 1011, reason: "cannot read the log: write after end" });
  expect(client.closed).toBeUndefined();
});

test("nothing is sent to a client that has gone", async () => {
  const { client, bridge } = attach(0);
  await eventually(() => client.frames.length > 0);
  bridge.close();
  const before = client.frames.length;
  bridge.tell({ type: "pong" });
  say("after");
  await made.session.appendOwn([noted("own")]);
  expect(client.frames.length).toBe(before);
  expect(made.session.followerCount).toBe(0);
});
