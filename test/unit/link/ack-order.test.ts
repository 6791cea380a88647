import { expect, onTestFinished, test } from "vitest";
import { linkProtocol } from "../../../src/protocol/link-frame.ts";
import type { SidecarHandle } from "../../../src/runtime/runtime.ts";
import { connectToSocket } from "../../../src/runtime/socket-door.ts";
import type { Session } from "../../../src/session/session.ts";
import { TurnQueue } from "../../../src/session/turn-queue.ts";
import { Attendance } from "../../../src/supervisor/attendance.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { makeSession } from "../session/make-session.ts";
import { type PuppetSidecar, startPuppetSidecar } from "./puppet-sidecar.ts";
import { keepFilesWaiting, lastSidecarSeq } from "./slow-files.ts";

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
    attendance = attendanceOf(observed);
    return attendance;
  });
  attendance?.attend(handleOf(sidecar, dir.path), { isAdopted: false });
  onTestFinished(() => attendance?.release());
  for (let batch = 0; batch < 50; batch++) {
    keepFilesWaiting();
    await sidecar.print(Array.from({ length: 20 }, (_, i) => `${batch}.${i} ${"x".repeat(100)}`));
  }
  await eventually(() => sidecar.seq === 1000 && sidecar.ackedSeq === 1000, { deadlineMs: 20_000 });
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
    const attending = attendanceOf(observed);
    attendance = attending;
    const told = attending.onStored.bind(attending);
    attending.onStored = (seq) => {
      told(seq);
      // The word of it is on its way, and goes with the wire.
      if (drops++ === 0) sidecar.drop();
    };
    return attending;
  });
  attendance?.attend(handleOf(sidecar, dir.path), { isAdopted: false });
  onTestFinished(() => attendance?.release());
  // So long that it is acknowledged at once.
  sidecar.print(["x".repeat(300 * 1024)]);
  await eventually(() => session.storedSeq === 1 && sidecar.ackedSeq === 1, { what: "its acknowledgement" });
  expect(drops).toBe(1);
});

function attendanceOf(session: Session): Attendance {
  return new Attendance({
    session,
    queue: new TurnQueue(),
    hookAllowance: { startMs: 0, endMs: 0 },
    queueLengthMax: 100,
    harness: "generic",
    drainSpool: async () => undefined,
    sweep: async () => undefined,
    onChanged: () => undefined,
    onGrown: () => undefined,
    onFault: (error) => {
      throw error;
    },
    onEnded: () => undefined,
  });
}

function handleOf({ socketPath, token }: PuppetSidecar, folder: string): SidecarHandle {
  return {
    address: {
      runtime: "local",
      session_id: "of-a-test",
      session_dir: folder,
      socket_path: socketPath,
      token,
      protocol: linkProtocol,
    },
    gone: new Promise(() => undefined),
    connect: () => connectToSocket(socketPath),
    destroy: async () => undefined,
  };
}
