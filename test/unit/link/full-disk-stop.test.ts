import { expect, onTestFinished, test, vi } from "vitest";
import type { Attendance } from "../../../src/supervisor/attendance.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession } from "../session/make-session.ts";
import { attendanceOf, handleOf } from "./attended.ts";
import { startPuppetSidecar } from "./puppet-sidecar.ts";

/** A session that was told to stop while its sidecar's disk is full; from then on time passes when the test says so. */
async function stoppedOnFullDisk() {
  const made = await makeSession();
  onTestFinished(() => made.remove());
  const dir = await tempDir();
  onTestFinished(() => dir.remove());
  const sidecar = await startPuppetSidecar(dir.path, { spoolBytesMax: 4_000_000, segmentBytesMax: 100_000 });
  onTestFinished(() => sidecar.close());
  await made.session.seal();
  let ended = 0;
  let attendance: Attendance | undefined;
  const session = await made.observedBy((observed) => {
    attendance = attendanceOf(observed, (error) => {
      throw error;
    });
    return attendance;
  });
  const destroy = async () => {
    ended += 1;
  };
  attendance?.attend({ ...handleOf(sidecar, dir.path, () => undefined), destroy }, { isAdopted: false });
  onTestFinished(() => attendance?.release());
  const isHeard = async () => {
    const before = session.sidecarSeq;
    sidecar.print(["a word"]);
    await eventually(() => session.sidecarSeq > before, { what: "a word of the sidecar" });
  };
  await isHeard();
  sidecar.tellStorage({ paused: true });
  await eventually(() => session.isPaused, { what: "the full disk" });
  // What a socket does is not waited for by timers of ours.
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  attendance?.stop("now", "stopped");
  return { session, sidecar, isHeard, endedByForce: () => ended };
}

test("a sidecar that waits for room, and is heard, is not ended by force; with room it has the time of a stop", async () => {
  const { session, sidecar, isHeard, endedByForce } = await stoppedOnFullDisk();
  for (let minute = 0; minute < 3; minute++) {
    for (let quarter = 0; quarter < 4; quarter++) {
      vi.advanceTimersByTime(15_000);
      await isHeard();
    }
  }
  expect(endedByForce()).toBe(0);
  sidecar.tellStorage({ paused: false });
  await eventually(() => !session.isPaused, { what: "room" });
  vi.advanceTimersByTime(14_999);
  expect(endedByForce()).toBe(0);
  vi.advanceTimersByTime(1);
  expect(endedByForce()).toBe(1);
});

test("one that is not heard any more is ended by force, room or not", async () => {
  const { endedByForce } = await stoppedOnFullDisk();
  vi.advanceTimersByTime(15_000);
  expect(endedByForce()).toBe(0);
  vi.advanceTimersByTime(30_000);
  expect(endedByForce()).toBe(1);
});
