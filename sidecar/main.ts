/** One sidecar, one agent: assignment → agent and server → `exit` told → gone. */
import { rmSync } from "node:fs";
import { inspect } from "node:util";
import type { BootstrapAnswer } from "../src/protocol/bootstrap.ts";
import { messageOf } from "../src/protocol/error.ts";
import { linkProtocol } from "../src/protocol/link-frame.ts";
import { AgentRun } from "./agent-run.ts";
import { type Assignment, isStartedByPerson, readAssignment } from "./bootstrap.ts";
import { EventLog } from "./event-log.ts";
import { type CreateHarness, loadHarness } from "./harnesses.ts";
import { openHostDoors } from "./host-doors.ts";
import { makeLinks } from "./links.ts";
import { withModelDoor } from "./model-door.ts";
import { openRawLog } from "./raw-log.ts";
import { Redaction } from "./redact/redaction.ts";
import { rehearseWhenIdle } from "./rehearsal.ts";
import { SidecarServer } from "./server.ts";
import { Spool } from "./spool.ts";
import { takePlace } from "./take-place.ts";

/** How long a fault of ours may take to end the agent in order. */
const lastActMs = 20_000;
/** How long a signal waits for the daemon to take the last events. */
const lastWordsMs = 2_000;
const lookMs = 200;

interface Sidecar {
  run: AgentRun;
  log: EventLog;
  server: SidecarServer;
  spool: Spool | undefined;
  redaction: Redaction | undefined;
  /** Resolves at the next connection, disconnection or acknowledgement. */
  activity(): Promise<void>;
}

async function main(): Promise<void> {
  // Nobody may be left to hear our answer.
  process.stdout.on("error", () => undefined);
  const callOff = rehearseWhenIdle();
  const given = await readAssignment(process.stdin).finally(callOff);
  if (given.from === "daemon") takePlace(given.bootstrap.session_dir);
  surviveTheDaemon();
  makeLinks(given.bootstrap);
  await openHostDoors(given.bootstrap);
  const assignment: Assignment = { ...given, bootstrap: await withModelDoor(given.bootstrap) };
  const sidecar = assemble(assignment, await loadHarness(assignment.bootstrap.agent.harness));
  let isSignalled = false;
  const signalled = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        isSignalled = true;
        resolve();
        void sidecar.run.stop("stopped");
      });
    }
  });
  process.on("uncaughtException", (error) => endAfterFault(sidecar, error));
  await open(assignment, sidecar);
  await Promise.race([
    sidecar.run.ended,
    neverLinked(assignment, sidecar),
    signalled.then(() => untilGivenUp(sidecar)),
  ]);
  await untilTold(assignment, sidecar, () => isSignalled);
  await sidecar.server.close();
  sidecar.spool?.close();
  if (assignment.from === "person") rmSync(assignment.bootstrap.session_dir, { recursive: true, force: true });
}

function assemble(assignment: Assignment, createHarness: CreateHarness): Sidecar {
  const { bootstrap } = assignment;
  const now = () => Date.now();
  const spool = assignment.from === "daemon" ? openSpool(assignment, () => sidecar) : undefined;
  const redaction = bootstrap.redact && new Redaction(bootstrap.redact);
  const log = new EventLog({
    now,
    ...(redaction ? { redaction } : {}),
    ...(spool ? { spool } : {}),
    ...(bootstrap.keep_raw ? { rawLog: openRawLog(bootstrap.session_dir) } : {}),
  });
  const run = new AgentRun({
    bootstrap,
    createHarness,
    log,
    redaction,
    now,
    onStatus: (data) => sidecar.server.tell({ type: "status", data }),
    ...(assignment.from === "person" && assignment.onlyPrompt !== undefined
      ? { onlyPrompt: assignment.onlyPrompt }
      : {}),
  });
  let wake: () => void = () => undefined;
  const server = new SidecarServer({
    access: {
      token: assignment.from === "daemon" ? bootstrap.token : assignment.token,
      isOnPort: assignment.from === "person",
    },
    sessionId: bootstrap.session_id,
    agentType: bootstrap.agent.name,
    run,
    log,
    now,
    onActivity: () => wake(),
    ...(spool ? { spool } : {}),
  });
  const activity = () => new Promise<void>((resolve) => (wake = resolve));
  const sidecar: Sidecar = { run, log, server, spool, redaction, activity };
  return sidecar;
}

function openSpool({ bootstrap }: Assignment, sidecar: () => Sidecar): Spool {
  return new Spool({
    sessionDir: bootstrap.session_dir,
    spoolBytesMax: bootstrap.limits.spoolBytesMax,
    onStorage: (data) => sidecar().server.tell({ type: "storage", data }),
    onFailed: (error) => {
      const { run } = sidecar();
      void run.report({ type: "error", data: { code: "log_write_failed", message: error.message, retryable: false } });
      void run.stop("log_write_failed");
    },
  });
}

async function open(assignment: Assignment, { server }: Sidecar): Promise<void> {
  if (assignment.from === "person") {
    const address = await server.listen({ host: "127.0.0.1", port: assignment.port });
    if (assignment.token === "") {
      console.error(
        `Listening on ${address} without a token: whoever may log in here may steer the agent. Set SIDECAR_TOKEN.`,
      );
    }
    return;
  }
  const address = await server.listen({ path: assignment.bootstrap.socket_path });
  answer({ ok: true, protocol: linkProtocol, pid: process.pid, address });
}

/** A daemon that vanished between launching us and connecting has lost nothing: there is no agent yet. */
async function neverLinked({ from, cleanupMs }: Assignment, { run, server }: Sidecar): Promise<void> {
  if (from === "person") return run.ended;
  await sleep(cleanupMs);
  if (run.state.phase === "waiting" && !server.isLinked) await run.stop("the daemon never connected");
  await run.ended;
}

/**
 * A signal ends us also on a full disk, when there is no daemon that takes the last lines and could make them known: whoever
 * sent it kills next. One that is linked is waited for as long as it is, since what we have in memory is nowhere else.
 */
async function untilGivenUp({ run, server, spool }: Sidecar): Promise<void> {
  await run.said;
  for (let leftMs = lastWordsMs; leftMs > 0; leftMs -= lookMs) {
    if (server.isLinked) leftMs = lastWordsMs;
    await sleep(lookMs);
  }
  const cut = spool?.unstored;
  if (cut)
    console.error(
      `Ended by a signal, on a full disk and without a daemon: lines ${cut.firstSeq} to ${cut.lastSeq} are cut, they could not be stored. What came before is in the spool`,
    );
}

/** Waits until nobody can still want something of us. */
async function untilTold(assignment: Assignment, sidecar: Sidecar, isSignalled: () => boolean): Promise<void> {
  const { log, server, spool, activity } = sidecar;
  const isAcknowledged = () => spool !== undefined && spool.ackedSeq >= log.seq;
  const signalDeadline = performance.now() + lastWordsMs;
  let deadline = performance.now() + assignment.cleanupMs;
  while (!isAcknowledged()) {
    const until = isSignalled() ? signalDeadline : deadline;
    if (performance.now() >= until || (isSignalled() && !server.isLinked)) return;
    const seen = await Promise.race([
      activity().then(() => true),
      sleep(Math.min(until - performance.now(), lookMs)).then(() => false),
    ]);
    // A daemon that is connected will acknowledge; a person's every connection starts the wait anew.
    if (server.isLinked || (seen && assignment.from === "person")) deadline = performance.now() + assignment.cleanupMs;
  }
}

/** A fault of ours must not leave an agent behind that nobody watches. */
function endAfterFault({ run, redaction }: Sidecar, error: unknown): void {
  console.error(redaction?.text(inspect(error)) ?? error);
  setTimeout(() => process.exit(1), lastActMs).unref();
  void run.report({ type: "error", data: { code: "internal", message: messageOf(error), retryable: true } });
  void run.stop("sidecar_lost");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

/** The one line that ever goes to stdout; after a first one nobody reads a second. */
function answer(message: BootstrapAnswer): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Its end must not be ours: it may take our terminal and the readers of our pipes with it. */
function surviveTheDaemon(): void {
  process.on("SIGHUP", () => undefined);
  process.stderr.on("error", () => undefined);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(messageOf(error));
  if (!isStartedByPerson()) answer({ ok: false, error: messageOf(error) });
  process.exit(1);
}
