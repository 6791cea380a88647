/** Sidecars as child processes of their own session, so that they outlive the daemon that started them. */
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { isSameProcess, startTimeOf } from "../process/identity.ts";
import { killTree } from "../process/stop-ladder.ts";
import { type Bootstrap, BootstrapAnswer } from "../protocol/bootstrap.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";
import type { Runtime, SidecarAddress, SidecarHandle } from "./runtime.ts";

export interface LocalRuntimeOptions {
  /** The bundled sidecar. */
  sidecarPath: string;
  launchTimeoutMs: number;
  environment: Readonly<Record<string, string | undefined>>;
}

export function localRuntime(options: LocalRuntimeOptions): Runtime {
  return {
    name: "local",
    addressOf,
    launch: (bootstrap) => launch(options, bootstrap),
    recover,
    sweep: async (sessionId) => {
      await killTree({ sessionId });
    },
  };
}

const tailBytes = 4096;
/** How often a sidecar that is not our child is looked at. */
const pollMs = 500;

function addressOf(bootstrap: Bootstrap): SidecarAddress {
  const { session_id, session_dir, socket_path, token } = bootstrap;
  return { runtime: "local", session_id, session_dir, socket_path, token };
}

async function launch(options: LocalRuntimeOptions, bootstrap: Bootstrap): Promise<SidecarHandle> {
  await mkdir(dirname(bootstrap.socket_path), { recursive: true, mode: 0o700 });
  await rm(bootstrap.socket_path, { force: true });
  const logPath = join(bootstrap.session_dir, "sidecar.log");
  const log = openSync(logPath, "a", 0o600);
  const child = execa(process.execPath, [options.sidecarPath], {
    cwd: bootstrap.session_dir,
    // Its own session: a signal to the daemon's group, or the daemon's end, does not reach it.
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: sidecarEnv(options.environment),
    stdin: "pipe",
    stdout: "pipe",
    // A file, not a pipe: it must not matter to the sidecar whether we live. execa takes any number, its types only 0 to 2.
    stderr: log as 2,
    buffer: false,
    reject: false,
  });
  closeSync(log);
  const gone = child.then((result) => ({ code: result.exitCode ?? null, signal: result.signal ?? null }));
  try {
    if (child.pid === undefined) throw new Error("its process could not be started");
    const started = startTimeOf(child.pid);
    if (started === undefined) throw new Error("its process ended at once");
    const identity = { pid: child.pid, started };
    // Before the bootstrap: a sidecar that has begun anything can be found by the next daemon.
    await writeFile(identityPath(bootstrap.session_dir), JSON.stringify(identity), { mode: 0o600 });
    child.stdin.on("error", () => {
      // It ended before it read its bootstrap; its missing answer says so.
    });
    child.stdin.end(`${JSON.stringify(bootstrap)}\n`);
    const answer = await answerOf(child.stdout, options.launchTimeoutMs);
    if (!answer.ok) throw new Error(answer.error);
    child.stdout.destroy();
    child.unref();
    return handleOf(addressOf(bootstrap), identity, gone);
  } catch (error) {
    child.kill("SIGKILL");
    const { code, signal } = await gone;
    await killTree({ sessionId: bootstrap.session_id });
    const tail = (await readFile(logPath, "utf8").catch(() => "")).slice(-tailBytes).trim();
    throw new AgentdError(
      "launch_failed",
      `Cannot start the sidecar of session "${bootstrap.session_id}": ${messageOf(error)}${code === null && signal === "SIGKILL" ? "" : ` (it ended with ${signal ?? `code ${code}`})`}.${tail ? ` It said: ${tail}` : ""} See ${logPath}`,
      { cause: error },
    );
  }
}

/** The first line on the sidecar's stdout. */
async function answerOf(stdout: NodeJS.ReadableStream, timeoutMs: number): Promise<BootstrapAnswer> {
  let text = "";
  const deadline = setTimeout(() => {
    if ("destroy" in stdout && typeof stdout.destroy === "function") stdout.destroy();
  }, timeoutMs);
  try {
    for await (const chunk of stdout) {
      text += String(chunk);
      const end = text.indexOf("\n");
      if (end !== -1) return BootstrapAnswer.parse(JSON.parse(text.slice(0, end)));
      if (text.length > 64 * 1024) throw new Error("its answer is longer than 64 KiB");
    }
  } catch (error) {
    if (text === "") throw new Error(`it gave no answer within ${timeoutMs / 1000} s`, { cause: error });
    throw error;
  } finally {
    clearTimeout(deadline);
  }
  throw new Error(
    text === "" ? "it ended without an answer" : `its answer was cut: ${JSON.stringify(text.slice(0, 200))}`,
  );
}

/** What node needs, and no key of anybody. */
function sidecarEnv(environment: LocalRuntimeOptions["environment"]): Record<string, string> {
  const kept = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "NODE_COMPILE_CACHE"];
  return Object.fromEntries(kept.flatMap((key) => (environment[key] === undefined ? [] : [[key, environment[key]]])));
}

async function recover(address: SidecarAddress): Promise<SidecarHandle | undefined> {
  const identity = await readIdentity(address.session_dir);
  if (!identity || !isSameProcess(identity.pid, identity.started)) return undefined;
  return handleOf(address, identity, untilGone(identity));
}

/** Which process the sidecar is: its pid and, so that a reused pid is never taken for it, its start time. */
const Identity = z.object({ pid: z.number().int(), started: z.string() });
type Identity = z.infer<typeof Identity>;

function identityPath(sessionDir: string): string {
  return join(sessionDir, "sidecar.json");
}

async function readIdentity(sessionDir: string): Promise<Identity | undefined> {
  try {
    return Identity.parse(JSON.parse(await readFile(identityPath(sessionDir), "utf8")));
  } catch {
    // Missing or half written: then the sidecar was never told what it is for, and has ended by itself.
    return undefined;
  }
}

async function untilGone({ pid, started }: Identity): Promise<{ code: null; signal: null }> {
  while (isSameProcess(pid, started)) await new Promise((resume) => setTimeout(resume, pollMs));
  return { code: null, signal: null };
}

function handleOf(address: SidecarAddress, identity: Identity, gone: SidecarHandle["gone"]): SidecarHandle {
  return {
    address,
    gone,
    destroy: async () => {
      await killTree({ sessionId: address.session_id, roots: [identity] });
      await gone;
    },
  };
}
