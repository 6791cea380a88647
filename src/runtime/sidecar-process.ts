/** One sidecar process: started, told once what it is for, and gone. */
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import * as z from "zod";
import { type ProcessIdentity, startTimeOf } from "../process/identity.ts";
import type { Bootstrap } from "../protocol/bootstrap.ts";
import { readAnswer } from "./answer.ts";
import type { SidecarEnd } from "./runtime.ts";

export interface SidecarProgram {
  /** The bundled sidecar. */
  path: string;
  environment: Readonly<Record<string, string | undefined>>;
}

export interface SidecarProcess {
  /** Undefined when the process could not be started or ended at once. */
  readonly identity: ProcessIdentity | undefined;
  /** Resolves when the process is gone. Never rejects. */
  readonly gone: Promise<SidecarEnd>;
  /** Tells it what it is for; resolves when it listens. May be called once. */
  bind(bootstrap: Bootstrap, timeoutMs: number): Promise<ProcessIdentity>;
  kill(): void;
}

/** Which process the sidecar is: its pid and, so that a reused pid is never taken for it, its start time. */
const Identity = z.object({ pid: z.number().int(), started: z.string() });

export function startSidecar(program: SidecarProgram, at: { dir: string; stderr: number | "ignore" }): SidecarProcess {
  const child = execa(process.execPath, [program.path], {
    cwd: at.dir,
    // Its own session: a signal to the daemon's group, or the daemon's end, does not reach it.
    detached: true,
    cleanup: false,
    extendEnv: false,
    env: sidecarEnv(program.environment),
    stdin: "pipe",
    stdout: "pipe",
    // A file, not a pipe: it must not matter to the sidecar whether we live. execa takes any number, its types only 0 to 2.
    stderr: at.stderr as 2 | "ignore",
    buffer: false,
    reject: false,
  });
  child.stdin.on("error", () => {
    // It ended before it read its bootstrap; its missing answer says so.
  });
  const started = child.pid === undefined ? undefined : startTimeOf(child.pid);
  const identity = child.pid === undefined || started === undefined ? undefined : { pid: child.pid, started };
  return {
    identity,
    gone: child.then((result) => ({ code: result.exitCode ?? null, signal: result.signal ?? null })),
    bind: async (bootstrap, timeoutMs) => {
      if (child.pid === undefined) throw new Error("its process could not be started");
      if (!identity) throw new Error("its process ended at once");
      // Before the bootstrap: a sidecar that has begun anything can be found by the next daemon.
      await writeFile(identityPath(bootstrap.session_dir), JSON.stringify(identity), { mode: 0o600 });
      child.stdin.end(`${JSON.stringify(bootstrap)}\n`);
      const answer = await readAnswer(child.stdout, timeoutMs);
      if (!answer.ok) throw new Error(answer.error);
      child.stdout.destroy();
      child.unref();
      return identity;
    },
    kill: () => {
      child.kill("SIGKILL");
    },
  };
}

export function readIdentity(sessionDir: string): ProcessIdentity | undefined {
  try {
    return Identity.parse(JSON.parse(readFileSync(identityPath(sessionDir), "utf8")));
  } catch {
    // Missing or half written: then the sidecar was never told what it is for, and has ended by itself.
    return undefined;
  }
}

function identityPath(sessionDir: string): string {
  return join(sessionDir, "sidecar.json");
}

/** What node needs, and no key of anybody. */
function sidecarEnv(environment: SidecarProgram["environment"]): Record<string, string> {
  const kept = ["PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "NODE_COMPILE_CACHE"];
  return Object.fromEntries(kept.flatMap((key) => (environment[key] === undefined ? [] : [[key, environment[key]]])));
}
