/** The daemon's end of a puppet's link: an attendance of its session, as the supervisor makes it. */
import { linkProtocol } from "../../../src/protocol/link-frame.ts";
import type { SidecarHandle } from "../../../src/runtime/runtime.ts";
import { connectToSocket } from "../../../src/runtime/socket-door.ts";
import type { Session } from "../../../src/session/session.ts";
import { TurnQueue } from "../../../src/session/turn-queue.ts";
import { Attendance } from "../../../src/supervisor/attendance.ts";
import type { PuppetSidecar } from "./puppet-sidecar.ts";

export function attendanceOf(session: Session, onFault: (error: unknown) => void): Attendance {
  return new Attendance({
    session,
    queue: new TurnQueue(),
    hookAllowance: { startMs: 0, endMs: 0 },
    queueLengthMax: 100,
    harness: "generic",
    drainSpool: async () => undefined,
    sweep: async () => undefined,
    onChanged: () => undefined,
    onMet: async () => undefined,
    onGrown: () => undefined,
    onFault,
    onEnded: () => undefined,
  });
}

/** A sidecar that has to be ended by force is a fault: it leaves by itself when all is acknowledged. */
export function handleOf(sidecar: PuppetSidecar, folder: string, onFault: (error: unknown) => void): SidecarHandle {
  const { socketPath, token, gone } = sidecar;
  return {
    address: {
      runtime: "local",
      session_id: "of-a-test",
      session_dir: folder,
      socket_path: socketPath,
      token,
      protocol: linkProtocol,
    },
    gone,
    connect: () => connectToSocket(socketPath),
    destroy: async () => onFault(new Error("the sidecar was ended by force")),
  };
}
