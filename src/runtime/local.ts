/** Sidecars as child processes of their own session, so that they outlive the daemon that started them. */
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureCgroup } from "../process/cgroup.ts";
import { isSameProcess, isWorkingIn, type ProcessIdentity } from "../process/identity.ts";
import { marksOf } from "../process/session-marks.ts";
import { killTree } from "../process/stop-ladder.ts";
import type { Bootstrap } from "../protocol/bootstrap.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import type { SandboxPlan } from "../protocol/sandbox.ts";
import { findAgent } from "./find-agent.ts";
import { ReadySidecars } from "./ready-sidecars.ts";
import type { Place, PlaceSpec, Runtime, SidecarAddress, SidecarHandle } from "./runtime.ts";
import { readIdentity, type SidecarProcess, type SidecarProgram, startSidecar } from "./sidecar-process.ts";
import { connectToSocket } from "./socket-door.ts";

export interface LocalRuntimeOptions {
  program: SidecarProgram;
  /** Where agents may have been installed. */
  dataDir: string;
  /** What tells this data dir's processes from others' on this machine. */
  dataDirMark: string;
  launchTimeoutMs: number;
  /** Agents are kept apart from the rest of this machine. */
  sandbox: Omit<SandboxPlan, "temporary_dir" | "node_dir"> | undefined;
  ready: {
    /** How many sidecars wait for a session; 0 starts each when it is needed. */
    count: number;
    /** A folder that is there as long as the daemon. */
    dir: string;
    /** One that waited has ended by itself. */
    onLost(): void;
    /** One could not be used; a fresh one takes its place. */
    onSkipped(reason: string, sessionId: string): void;
  };
}

export interface LocalRuntime extends Runtime {
  /** Begins to keep sidecars ready: once the daemon serves, so that they do not hold up its start. */
  keepReady(): void;
  /** Ends the sidecars that no session has; those of sessions are not touched. */
  close(): Promise<void>;
}

export function localRuntime(options: LocalRuntimeOptions): LocalRuntime {
  const { program, ready, dataDirMark } = options;
  const pool = new ReadySidecars({ program, dir: ready.dir, count: ready.count, onLost: ready.onLost });
  return {
    name: "local",
    hasScratch: false,
    placeOf: (spec) => placeOf(options, spec),
    sidecarDirOf: (sessionDir) => sessionDir,
    addressOf,
    launch: (bootstrap, spec) =>
      pool.during(() => launch(options, pool, { ...bootstrap, data_dir_mark: dataDirMark }, spec)),
    recover: (address) => recover(options, address),
    // It needs nothing of ours.
    keep: async () => false,
    holdLimits: (sessionId, limits) => void ensureCgroup({ sessionId, dataDirMark }, limits),
    sweep: async (sessionId) => {
      await killTree({ sessionId, dataDirMark });
    },
    sweepUnread: async (sessionId, sessionDir) => {
      const sidecar = readIdentity(sessionDir);
      if (sidecar && process.platform !== "linux" && isSameProcess(sidecar.pid, sidecar.started))
        throw notEnded(sessionId, [sidecar], "the system does not tell whether it is its sidecar");
      // In a copy of the folder it is the sidecar of the session that was copied, which works elsewhere.
      const roots = sidecar && isWorkingIn(sidecar, sessionDir) ? [sidecar] : [];
      const { left } = await killTree({ sessionId, dataDirMark, roots });
      if (left.length > 0) throw notEnded(sessionId, left, "it does not end");
    },
    // A session is ended before its folder goes: nothing of one is left whose folder is not there.
    sweepOthers: async () => ({ leftovers: [], faults: [] }),
    // It contains nothing.
    changeEgress: async () => ({ changed: [] }),
    keepReady: () => pool.begin(),
    close: () => pool.close(),
  };
}

/** Everything is where it is. */
function placeOf(options: LocalRuntimeOptions, spec: PlaceSpec): Place {
  const { dataDir, sandbox } = options;
  const { environment } = options.program;
  // Apart from the private home, so that the one is never below the other.
  const temporaryDir = join(spec.runDir, "t");
  return {
    sessionDir: spec.sessionDir,
    socketPath: join(spec.runDir, "s"),
    workDir: spec.workDir ?? spec.sessionDir,
    privateHome: spec.privateHome,
    temporaryDir,
    sandbox: sandbox && { ...sandbox, temporary_dir: temporaryDir, node_dir: dirname(dirname(process.execPath)) },
    keeperSocket: { path: join(spec.runDir, "k"), seenAs: join(spec.runDir, "k"), isOpen: false },
    loginFile: undefined,
    hostDoors: undefined,
    environment,
    programOf: ({ name, command }) => findAgent({ name, command, path: environment["PATH"], dataDir }),
  };
}

const tailBytes = 4096;
/** How often a sidecar that is not our child is looked at. */
const pollMs = 500;
/** What a sidecar that was ready may take to answer; one that is stopped or starved is not waited for. */
const readyAnswerMs = 2_000;

function addressOf(bootstrap: Bootstrap): SidecarAddress {
  const { session_id, session_dir, socket_path, token, protocol } = bootstrap;
  return { runtime: "local", session_id, session_dir, socket_path, token, protocol };
}

async function launch(
  options: LocalRuntimeOptions,
  pool: ReadySidecars,
  bootstrap: Bootstrap,
  spec: PlaceSpec,
): Promise<SidecarHandle> {
  await mkdir(placeOf(options, spec).temporaryDir, { recursive: true, mode: 0o700 });
  await rm(bootstrap.socket_path, { force: true });
  const handle = await launchReady(options, pool.take(), bootstrap);
  return handle ?? launchFresh(options, bootstrap);
}

/** Undefined when it could not be used: it is gone then, and has left nothing that a fresh one would stumble over. */
async function launchReady(
  options: LocalRuntimeOptions,
  sidecar: SidecarProcess | undefined,
  bootstrap: Bootstrap,
): Promise<SidecarHandle | undefined> {
  if (!sidecar) return undefined;
  const { launchTimeoutMs, ready } = options;
  try {
    const identity = await sidecar.bind(bootstrap, Math.min(launchTimeoutMs, readyAnswerMs));
    return handleOf(options, { address: addressOf(bootstrap), identity, gone: sidecar.gone });
  } catch (error) {
    ready.onSkipped(messageOf(error), bootstrap.session_id);
    sidecar.kill();
    await sidecar.gone;
    await rm(bootstrap.socket_path, { force: true });
    return undefined;
  }
}

async function launchFresh(options: LocalRuntimeOptions, bootstrap: Bootstrap): Promise<SidecarHandle> {
  const { program, launchTimeoutMs } = options;
  const logPath = join(bootstrap.session_dir, "sidecar.log");
  const log = openSync(logPath, "a", 0o600);
  const sidecar = startSidecar(program, { dir: bootstrap.session_dir, stderr: log });
  closeSync(log);
  try {
    const identity = await sidecar.bind(bootstrap, launchTimeoutMs);
    return handleOf(options, { address: addressOf(bootstrap), identity, gone: sidecar.gone });
  } catch (error) {
    sidecar.kill();
    const { code, signal } = await sidecar.gone;
    await killTree(marksOf(bootstrap));
    const tail = (await readFile(logPath, "utf8").catch(() => "")).slice(-tailBytes).trim();
    throw new AgentdError(
      "launch_failed",
      `Cannot start the sidecar of session "${bootstrap.session_id}": ${messageOf(error)}${code === null && signal === "SIGKILL" ? "" : ` (it ended with ${signal ?? `code ${code}`})`}.${tail ? ` It said: ${tail}` : ""}`,
      { cause: error },
    );
  }
}

async function recover(options: LocalRuntimeOptions, address: SidecarAddress): Promise<SidecarHandle | undefined> {
  const identity = readIdentity(address.session_dir);
  if (!identity || !isSameProcess(identity.pid, identity.started)) return undefined;
  return handleOf(options, { address, identity, gone: untilGone(identity) });
}

function notEnded(sessionId: string, [first, ...more]: readonly ProcessIdentity[], why: string): AgentdError {
  const others = more.length > 0 ? ` (and ${more.length} more)` : "";
  return new AgentdError(
    "runtime_unavailable",
    `Cannot end process ${first?.pid}${others} of session "${sessionId}": ${why}. Look at it, end it by hand, then try again`,
  );
}

async function untilGone({ pid, started }: ProcessIdentity): Promise<{ code: null; signal: null }> {
  while (isSameProcess(pid, started)) await new Promise((resume) => setTimeout(resume, pollMs));
  return { code: null, signal: null };
}

function handleOf(
  { dataDirMark }: LocalRuntimeOptions,
  { address, identity, gone }: { address: SidecarAddress; identity: ProcessIdentity; gone: SidecarHandle["gone"] },
): SidecarHandle {
  return {
    address,
    gone,
    connect: () => connectToSocket(address.socket_path),
    destroy: async () => {
      await killTree({ sessionId: address.session_id, dataDirMark, roots: [identity] });
      await gone;
    },
  };
}
