import { readFile } from "node:fs/promises";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SessionEvent } from "../../../src/protocol/event.ts";
import { encodeDaemonLine, parseLogLine } from "../../../src/protocol/line.ts";
import type { Session } from "../../../src/session/session.ts";
import { exited, type Made, makeSession, noted, said, sidecarBatch } from "./make-session.ts";

let made: Made;
beforeEach(async () => {
  made = await makeSession();
});
afterEach(async () => {
  await made.remove();
});

/** What may happen to a session's log, in any order. */
type Step =
  | { do: "batch"; texts: string[]; overlap: number }
  | { do: "own"; text: string }
  | { do: "read"; from: number; to: number }
  | { do: "reopen" };

const texts = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.constantFrom("é😀\u2028", '"sidecar_seq":1}', "\ud800"),
  fc.integer({ min: 100, max: 3000 }).map((length) => "x".repeat(length)),
);
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("batch" as const),
      texts: fc.array(texts, { minLength: 1, maxLength: 6 }),
      overlap: fc.nat(8),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("own" as const), text: texts }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      to: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "reopen" as const }) },
);

test("ring and file are one byte array, whatever is appended, sent again, read or opened anew", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(steps, { maxLength: 40 }),
      fc.integer({ min: 64, max: 4096 }),
      async (given, ringBytesMax) => {
        const one = await makeSession({ ringBytesMax });
        try {
          await follow(one, given);
        } finally {
          await one.remove();
        }
      },
    ),
    { numRuns: 60 },
  );
});

/** Carries out the steps on a session and on a plain list of lines, and compares. */
async function follow(one: Made, given: readonly Step[]): Promise<void> {
  let { session } = one;
  const sent: SessionEvent[] = [];
  let model = Buffer.alloc(0);
  let seq = 0;
  let published = 0;
  let unfollow = session.follow(() => {
    expect(session.end).toBeGreaterThanOrEqual(published);
    published = session.end;
  });
  const keep = (event: SessionEvent, timestamp: number) => {
    model = Buffer.concat([
      model,
      Buffer.from(encodeDaemonLine(event, { timestamp, sidecarSeq: sent.length, seq: ++seq })),
    ]);
  };
  for (const step of given) {
    if (step.do === "batch") {
      const first = Math.max(1, sent.length - step.overlap + 1);
      const fresh = step.texts.map(said);
      session.appendBatch(sidecarBatch(first, [...sent.slice(first - 1), ...fresh]));
      for (const event of fresh) {
        sent.push(event);
        keep(event, 1);
      }
    } else if (step.do === "own") {
      await session.appendOwn([noted(step.text)]);
      const { timestamp } = parseLogLine(await lastLine(session));
      keep(noted(step.text), timestamp);
      expect(session.end).toBe(model.length);
    } else if (step.do === "reopen") {
      unfollow();
      await session.seal();
      ({ session } = await one.again());
      unfollow = session.follow(() => undefined);
      published = session.end;
    } else await compareRead(session, model, step);
  }
  await session.seal();
  expect(await readFile(one.home.log)).toEqual(model);
  expect({ end: session.end, seq: session.seq, sidecarSeq: session.sidecarSeq }).toEqual({
    end: model.length,
    seq,
    sidecarSeq: sent.length,
  });
}

async function compareRead(session: Session, model: Buffer, range: { from: number; to: number }): Promise<void> {
  const end = session.end;
  const [from = 0, to = 0] = [range.from, range.to].map((part) => Math.round(part * end)).sort((a, b) => a - b);
  const expected = model.subarray(from, to);
  const recent = session.readRecent(from, to);
  if (recent) expect(recent).toEqual(expected);
  expect(await session.readStored(from, to)).toEqual(expected);
}

async function lastLine(session: Session): Promise<string> {
  const text = String(await session.readStored(0, session.end));
  return text.slice(text.lastIndexOf("\n", text.length - 2) + 1);
}

describe("batches", () => {
  test("a batch that was sent before changes nothing", async () => {
    const { session, witness } = made;
    const batch = sidecarBatch(1, [said("a"), said("b")]);
    session.appendBatch(batch);
    session.appendBatch(batch);
    session.appendBatch(sidecarBatch(2, [said("b")]));
    await session.seal();
    expect(await seqs()).toEqual([1, 2]);
    expect(witness.stored).toEqual([2]);
  });

  test("a batch that leaves lines out is refused and leaves no trace", async () => {
    const { session } = made;
    session.appendBatch(sidecarBatch(1, [said("a")]));
    expect(() => session.appendBatch(sidecarBatch(3, [said("c")]))).toThrow(
      new RangeError("the sidecar's lines 2 to 2 are missing"),
    );
    session.appendBatch(sidecarBatch(2, [said("b")]));
    await session.seal();
    expect(await seqs()).toEqual([1, 2]);
  });

  test.each([
    ["bytes that are no lines", "garbage"],
    ["lines without a count", '{"type":"stdout","data":{"text":"a"}}\n'],
    ["half a line", String(sidecarBatch(1, [said("a")])).slice(0, 30)],
    ["nothing", ""],
  ])("%s are refused with a RangeError", (_, text) => {
    expect(() => made.session.appendBatch(Buffer.from(text))).toThrow(RangeError);
    expect(made.session.seq).toBe(0);
  });

  test("the sidecar is told of a line once it is in the file", async () => {
    const { session, witness } = made;
    const sizes: number[] = [];
    witness.onStored = () => {
      sizes.push(session.end);
    };
    session.appendBatch(sidecarBatch(1, [said("a")]));
    expect({ end: session.end, sidecarSeq: session.sidecarSeq, sizes }).toEqual({ end: 0, sidecarSeq: 1, sizes: [] });
    await session.appendOwn([noted("x")]);
    expect(sizes).toHaveLength(2);
    expect(sizes.at(-1)).toBe((await readFile(made.home.log)).length);
  });
});

describe("lines of the daemon's own", () => {
  test("repeat the sidecar's count and take the next seq", async () => {
    const { session } = made;
    session.appendBatch(sidecarBatch(1, [said("a"), said("b")]));
    await session.appendOwn([noted("own")]);
    session.appendBatch(sidecarBatch(3, [said("c")]));
    await session.seal();
    expect((await lines()).map(({ seq, sidecar_seq }) => [seq, sidecar_seq])).toEqual([
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 3],
    ]);
  });

  test("are in the file when the append resolves, however much goes on after them", async () => {
    const { session } = made;
    const text = "x".repeat(100_000);
    let isFlooding = true;
    let last = 0;
    const flood = (async () => {
      while (isFlooding && last < 5000) {
        session.appendBatch(sidecarBatch(++last, [said(text)]));
        if (session.pendingBytes > 2_000_000) await new Promise(setImmediate);
      }
    })();
    const before = session.end;
    await session.appendOwn([noted("own")]);
    isFlooding = false;
    await flood;
    expect(last).toBeLessThan(5000);
    expect(session.end).toBeGreaterThan(before);
  });

  test("come before the exit when they are made at its arrival, and never after it", async () => {
    const { session, witness } = made;
    witness.beforeExit = () => void session.appendOwn([noted("closing")]);
    session.appendBatch(sidecarBatch(1, [said("a"), exited(3)]));
    await expect(session.appendOwn([noted("late")])).rejects.toMatchObject({ code: "session_ended" });
    await session.seal();
    expect((await lines()).map(({ type }) => type)).toEqual(["stdout", "system", "exit"]);
    expect(await seqs()).toEqual([1, 2, 3]);
    expect(witness.events).toEqual([exited(3)]);
  });

  test("of a sidecar cannot follow its exit", async () => {
    const { session, witness } = made;
    session.appendBatch(sidecarBatch(1, [said("a"), exited(3)]));
    session.appendBatch(sidecarBatch(3, [said("late"), exited(4)]));
    await session.seal();
    expect((await lines()).map(({ type }) => type)).toEqual(["stdout", "exit"]);
    expect(witness.events).toEqual([exited(3)]);
  });

  test("cannot follow an exit that the daemon itself wrote", async () => {
    const { session } = made;
    await session.appendOwn([exited(-1)]);
    await expect(session.appendOwn([noted("late")])).rejects.toMatchObject({ code: "session_ended" });
  });
});

describe("the end", () => {
  test("a sealed session is read from its file", async () => {
    const { session } = made;
    session.appendBatch(sidecarBatch(1, [said("a"), exited()]));
    session.apply({ type: "launched", isAdopted: false });
    session.apply({ type: "ended", reason: "finished", exitCode: 0, endedAt: 1 });
    expect(session.isSealed).toBe(false);
    await session.seal();
    expect(session.isSealed).toBe(true);
    expect(await session.readStored(0, session.end)).toEqual(await readFile(made.home.log));
  });

  test("the ring's memory is given back when the last reader leaves", async () => {
    const { session } = made;
    const unfollow = session.follow(() => undefined);
    session.appendBatch(sidecarBatch(1, [said("a"), exited()]));
    session.apply({ type: "ended", reason: "finished", exitCode: 0, endedAt: 1 });
    await session.seal();
    expect(session.readRecent(0, session.end)).toBeDefined();
    unfollow();
    expect(session.readRecent(0, session.end)).toBeUndefined();
  });
});

async function lines() {
  return (await readFile(made.home.log, "utf8")).trimEnd().split("\n").map(parseLogLine);
}

async function seqs(): Promise<number[]> {
  return (await lines()).map(({ seq }) => seq);
}

describe("what is told as done", () => {
  test("is in the file: whoever waits for the sidecar's lines is told when they are there", async () => {
    const isStored = made.session
      .storedUpTo(2)
      .then(async () => (await readFile(made.home.log, "utf8")).split("\n").length);
    made.session.appendBatch(sidecarBatch(1, [said("one"), said("two")]));
    expect(await isStored).toBe(3);
    await made.session.storedUpTo(1);
  });

  test("is refused when the log was let go of, also to those who wait", async () => {
    const waiting = expect(made.session.storedUpTo(1)).rejects.toMatchObject({ code: "shutting_down" });
    await made.session.seal();
    await waiting;
    await expect(made.session.appendOwn([noted("lost")])).rejects.toMatchObject({ code: "shutting_down" });
    await expect(made.session.storedUpTo(1)).rejects.toMatchObject({ code: "shutting_down" });
    expect(await readFile(made.home.log, "utf8")).toBe("");
  });

  test("a log that ends with its exit says so when it is opened again, and takes no more", async () => {
    made.session.appendBatch(sidecarBatch(1, [said("one"), exited(3)]));
    await made.session.stored();
    const { session } = await made.again();
    expect(session.foundExit).toEqual({ data: { code: 3 }, at: 1 });
    await expect(session.appendOwn([noted("late")])).rejects.toMatchObject({ code: "session_ended" });
  });
});
