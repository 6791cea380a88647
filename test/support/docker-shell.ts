/** A daemon whose sessions are shells in containers: what an agent could try, a test tries. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LoggedEvent } from "./client-socket.ts";
import { type DockerWorld, startDockerWorld } from "./docker-world.ts";
import { readLog } from "./read-log.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "./start-daemon.ts";
import { tempDir } from "./temp-dir.ts";

export interface DockerShell extends Shells {
  readonly world: DockerWorld;
  stop(): Promise<void>;
}

type ShellOptions = DaemonOptions & { settings?: Record<string, unknown> };

export interface Shells {
  daemon: Daemon;
  /** Starts a session that runs the script, and returns its id. */
  start(script: string, request?: Record<string, unknown>): Promise<string>;
  /** Runs a script to its end. */
  run(script: string, request?: Record<string, unknown>): Promise<ShellOutcome>;
  log(id: string, enough?: (events: readonly LoggedEvent[]) => boolean): Promise<readonly LoggedEvent[]>;
  /** Changes the configuration file; the daemon is not told. */
  configure(change: Record<string, unknown>): Promise<void>;
  stopDaemon(): Promise<void>;
}

export interface ShellOutcome {
  id: string;
  /** What it printed on stdout. */
  lines: string[];
  events: readonly LoggedEvent[];
}

const deadlineMs = 90_000;

export async function startDockerShell(names: readonly string[], options: ShellOptions = {}): Promise<DockerShell> {
  const world = await startDockerWorld(names);
  const { settings = {} } = options;
  const shells = await startShells({ ...options, settings: { ...world.config.docker, ...settings } });
  return Object.assign(shells, {
    world,
    stop: async () => {
      await shells.stopDaemon();
      await world.stop();
    },
  });
}

/** The same without a world around it: nothing is to be reached. `settings` names the engine. */
export async function startShells(options: ShellOptions): Promise<Shells> {
  const { settings = {}, config: given, ...rest } = options;
  const folder = await tempDir();
  const daemon = await startDaemon({
    ...rest,
    dataDir: join(folder.path, "data"),
    config: {
      runtime: "docker",
      agents: { sh: { command: "bash", harness: "generic" } },
      ...given,
      docker: settings,
    },
  });
  const log = (id: string, enough?: (events: readonly LoggedEvent[]) => boolean) =>
    readLog(shell.daemon, id, { deadlineMs, ...(enough ? { enough } : {}) });
  const start = async (script: string, request: Record<string, unknown> = {}) => {
    // In one line: what follows in further lines is read by whatever the first ones started.
    const prompt = `eval "$(echo ${Buffer.from(script).toString("base64")} | base64 -d)"`;
    const { status, body, text } = await shell.daemon.post("/sessions", { agent: "sh", prompt, ...request });
    if (status !== 201) throw new Error(`no session: ${status} ${text}`);
    return String(body.session_id);
  };
  const shell: Shells = {
    daemon,
    start,
    log,
    run: async (script, request) => {
      const id = await start(script, request);
      const events = await log(id);
      return { id, events, lines: textOf(events, "stdout") };
    },
    configure: async (change) => {
      const file = join(folder.path, "data", "config-of-test.json");
      const before: Record<string, unknown> = JSON.parse(await readFile(file, "utf8"));
      await writeFile(file, JSON.stringify({ ...before, ...change }));
    },
    stopDaemon: async () => {
      const { code } = await shell.daemon.stop();
      if (code !== 0) throw new Error(`The daemon ended with code ${code}: ${shell.daemon.output().slice(-4000)}`);
      await folder.remove();
    },
  };
  return shell;
}

export function textOf(events: readonly LoggedEvent[], type: "stdout" | "stderr"): string[] {
  return events.filter((event) => event.type === type).map(({ data }) => String(data["text"]));
}

/** What the session was told of the proxy's refusals. */
export function denials(events: readonly LoggedEvent[], subtype = "egress_denied"): Record<string, unknown>[] {
  return events
    .filter(({ type, data }) => type === "system" && data["subtype"] === subtype)
    .map(({ data: { host, port, reason } }) => ({ host, port, reason }));
}
