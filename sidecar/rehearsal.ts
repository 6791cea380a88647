/**
 * What a ready sidecar does with its time: it reads an assignment and starts a process once, for nothing. The first time
 * costs 12 ms of compiling, which no session has to wait for then.
 */
import { execa } from "execa";
import { Bootstrap, defaultSidecarLimits } from "../src/protocol/bootstrap.ts";
import { linkProtocol } from "../src/protocol/link-frame.ts";

/** Long enough that a sidecar that is told at once what it is for rehearses nothing. */
const idleMs = 100;

/** Rehearses when nothing has come by then; returns the way to call it off. */
export function rehearseWhenIdle(): () => void {
  const timer = setTimeout(() => void rehearse(), idleMs);
  return () => clearTimeout(timer);
}

async function rehearse(): Promise<void> {
  Bootstrap.safeParse({
    protocol: linkProtocol,
    session_id: "rehearsal",
    session_dir: "/",
    socket_path: "/",
    token: "",
    agent: { name: "rehearsal", harness: "generic", command: ["true"], env: {} },
    work_dir: "/",
    config: {},
    interactive: true,
    keep_raw: false,
    limits: defaultSidecarLimits,
  } satisfies Bootstrap);
  // It does not matter whether there is such a program.
  await execa("true", {
    cwd: "/",
    extendEnv: false,
    reject: false,
    buffer: false,
    stdin: "pipe",
    detached: true,
    cleanup: false,
  });
}
