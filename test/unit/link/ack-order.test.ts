import { expect, onTestFinished, test } from "vitest";
import type { Attendance } from "../../../src/supervisor/attendance.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession } from "../session/make-session.ts";
import { attendanceOf, handleOf } from "./attended.ts";
import { startPuppetSidecar } from "./puppet-sidecar.ts";
import { keepFilesWaiting, lastSidecarSeq } from "./slow-files.ts";

function fail(error: unknown): never {
  throw error;
}

test("a daemon whose disk is slow acknowledges nothing that is not in its file", async () => {
  const made = await makeSession();
  onTestFinished(() => made.remove());
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const sidecar = await startPuppetSidecar(dir.path, { spoolBytesMax: 4_000_000, segmentBytesMax: 100_000 });
  onTestFinished(() => sidecar.close());
  const early: string[] = [];
  sidecar.onAck = (seq) => {
    const inFile = lastSidecarSeq(made.home.log);
    if (seq > inFile) early.push(`${seq} was acknowledged, the file holds ${inFile}`);
  };
  await made.session.seal();
  let attendance: Attendance | undefined;
  const session = await made.observedBy((observed) => {
    attendance = attendanceOf(observed, fail);
    return attendance;
  });
  attendance?.attend(handleOf(sidecar, dir.path, fail), { isAdopted: false });
  onTestFinished(() => attendance?.release());
  for (let batch = 0; batch < 50; batch++) {
    keepFilesWaiting();
    await sidecar.print(Array.from({ length: 20 }, (_, i) => `${batch}.${i} ${"x".repeat(100)}`));
  }
  await eventually(() => sidecar.seq === 1000 && sidecar.ackedSeq === 1000, { deadlineMs: 60_000 });
  expect(early).toEqual([]);
  expect(session.seq).toBe(1000);
});

test("an acknowledgement that went into a broken link is told again by the next one, also when nothing more comes", async () => {
  const made = await makeSession();
  onTestFinished(() => made.remove());
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const sidecar = await startPuppetSidecar(dir.path, { spoolBytesMax: 4_000_000, segmentBytesMax: 100_000 });
  onTestFinished(() => sidecar.close());
  await made.session.seal();
  let attendance: Attendance | undefined;
  let drops = 0;
  const session = await made.observedBy((observed) => {
    const attending = attendanceOf(observed, fail);
    attendance = attending;
    const told = attending.onStored.bind(attending);
    attending.onStored = (seq) => {
      told(seq);
      // The word of it is on its way, and goes with the wire.
      if (drops++ === 0) sidecar.drop();
    };
    return attending;
  });
  attendance?.attend(handleOf(sidecar, dir.path, fail), { isAdopted: false });
  onTestFinished(() => attendance?.release());
  // So long that it is acknowledged at once.
  sidecar.print(["x".repeat(300 * 1024)]);
  await eventually(() => session.storedSeq === 1 && sidecar.ackedSeq === 1, { what: "its acknowledgement" });
  expect(drops).toBe(1);
});
