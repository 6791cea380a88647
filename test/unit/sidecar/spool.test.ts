import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EventLog } from "../../../sidecar/event-log.ts";
import { Spool } from "../../../sidecar/spool.ts";
import { readSpool } from "../../../src/process/spool-reader.ts";
import { eventually } from "../../support/eventually.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
let spool: Spool;
let log: EventLog;

beforeEach(async () => {
  dir = await tempDir();
  spool = new Spool({
    sessionDir: dir.path,
    spoolBytesMax: 10_000,
    segmentBytesMax: 1_000,
    onStorage: () => undefined,
    onFailed: (error) => {
      throw error;
    },
  });
  log = new EventLog({ now: () => 0, spool });
});

afterEach(async () => {
  spool.close();
  await dir.remove();
});

function appendLines(count: number, text = "x"): Promise<void> | undefined {
  return log.append(Array.from({ length: count }, () => ({ event: { type: "stdout", data: { text } } as const })));
}

function seqsFrom(position: number): number[] {
  const seqs: number[] = [];
  for (let at = position; at < log.end; ) {
    const bytes = log.read(at);
    if (!bytes) throw new Error(`nothing is held at ${at}`);
    at += bytes.length;
    for (const line of String(bytes).trimEnd().split("\n")) seqs.push(JSON.parse(line).sidecar_seq);
  }
  return seqs;
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe("the spool", () => {
  it("gives back every line after any count, from memory or from files", async () => {
    for (let batch = 0; batch < 40; batch++) void appendLines(7);
    // Larger than the ring, so that everything before it is in files only.
    void appendLines(1, "y".repeat(1_200_000));
    void appendLines(3);
    for (const after of [0, 1, 6, 7, 100, 279, 280, 281, 283, 284]) {
      expect(seqsFrom(log.positionAfter(after))).toEqual(range(after + 1, 284));
    }
  });

  it("removes files as they are acknowledged", () => {
    for (let batch = 0; batch < 40; batch++) void appendLines(7);
    const files = () => readdirSync(dir.path).length;
    const before = files();
    spool.ack(140);
    expect(files()).toBeLessThan(before);
    spool.ack(280);
    expect(files()).toBe(1);
    expect(spool.unackedBytes).toBe(0);
  });

  it("makes whoever appends wait until there is room", async () => {
    let isThrough = false;
    void appendLines(1, "z".repeat(20_000))?.then(() => (isThrough = true));
    await Promise.resolve();
    expect(isThrough).toBe(false);
    spool.ack(1);
    await spool.settled();
    await eventually(() => isThrough);
  });

  it("is readable when its writer is gone", async () => {
    for (let batch = 0; batch < 40; batch++) void appendLines(7);
    for (const after of [0, 13, 279, 280]) {
      const batches: Buffer[] = [];
      for await (const batch of readSpool(dir.path, after)) batches.push(batch);
      const lines = String(Buffer.concat(batches)).split("\n").slice(0, -1);
      expect(lines.map((line) => JSON.parse(line).sidecar_seq)).toEqual(range(after + 1, 280));
    }
  });
});
