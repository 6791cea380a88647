import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { drainSpool, spoolFileName } from "../../../src/process/spool-reader.ts";
import { TurnQueue } from "../../../src/session/turn-queue.ts";
import { Attendance } from "../../../src/supervisor/attendance.ts";
import { makeSession, said, sidecarBatch } from "../session/make-session.ts";

const files = 4;
const linesOfFile = 2000;

test("a long spool goes into the log batch by batch: memory never holds more than one", async () => {
  const made = await makeSession();
  onTestFinished(() => made.remove());
  await made.session.seal();
  const text = "x".repeat(500);
  for (let first = 1; first <= files * linesOfFile; first += linesOfFile) {
    const lines = sidecarBatch(
      first,
      Array.from({ length: linesOfFile }, () => said(text)),
    );
    writeFileSync(join(made.home.dir, spoolFileName(first)), lines);
  }
  const waiting: number[] = [];
  let attendance: Attendance | undefined;
  const session = await made.observedBy((observed) => {
    attendance = new Attendance({
      session: observed,
      queue: new TurnQueue(),
      hookAllowance: { startMs: 0, endMs: 0 },
      queueLengthMax: 1,
      harness: "generic",
      drainSpool: (afterSeq, take) =>
        drainSpool(made.home.dir, {
          afterSeq,
          take: async (batch) => {
            waiting.push(observed.pendingBytes);
            await take(batch);
          },
        }),
      sweep: async () => undefined,
      onChanged: () => undefined,
      onMet: async () => undefined,
      onGrown: () => undefined,
      onFault: (error) => {
        throw error;
      },
      onEnded: () => undefined,
    });
    return attendance;
  });
  attendance?.adoptDead();
  await attendance?.over;
  expect(waiting.length).toBeGreaterThan(files);
  expect(waiting.filter((bytes) => bytes > 0)).toEqual([]);
  expect(readdirSync(made.home.dir).filter((name) => name.startsWith("spool-"))).toEqual([]);
  const lines = readFileSync(made.home.log, "utf8").trimEnd().split("\n");
  expect(lines.length).toBe(files * linesOfFile + 2);
  expect(session.state).toMatchObject({ at: "ended", reason: "sidecar_lost" });
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ type: "exit" });
});
