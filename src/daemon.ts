/** Wires the rooms together; starts them in order and stops them in reverse. */
import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer, type Server } from "./api/server.ts";
import type { Config } from "./config.ts";
import { ensureRunDir, ensureToken, lockDataDir } from "./data-dir.ts";
import { AgentdError, errnoOf, messageOf } from "./protocol/error.ts";
import { localRuntime } from "./runtime/local.ts";
import { openSqliteStore } from "./store/sqlite.ts";
import type { Store } from "./store/store.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { version } from "./version.ts";

export interface Daemon {
  readonly url: string;
  /** Ends all sessions or leaves them to a next daemon, as configured; says goodbye to all clients; frees port and data dir. */
  close(reason: string): Promise<{ kept: number }>;
  /** Resolves when the last session and the last client are gone; only with `leaveWhenIdle`. */
  readonly idle: Promise<void>;
}

/** How long a daemon that leaves when idle stays without anything to do. */
const idleMs = 2000;
/** … and how long it waits for its first session. */
const firstSessionMs = 60_000;

export async function startDaemon(config: Config): Promise<Daemon> {
  if (process.platform === "win32")
    throw new AgentdError("internal", "agentd does not run on Windows. Use it in WSL 2, or on Linux or macOS");
  if (config.runtimes.includes("docker")) {
    throw new AgentdError(
      "unknown_runtime",
      'Cannot use the runtime "docker": this version of agentd runs agents locally only. Start it with --runtime local',
    );
  }
  // Everything this daemon writes is for its own user.
  process.umask(0o077);
  const lock = await lockDataDir(config.dataDir, version);
  let store: Store | undefined;
  try {
    const token = await ensureToken(config.tokenFile);
    const runDir = await ensureRunDir(config.dataDir);
    const log = logger(config);
    store = await openSqliteStore({ path: join(config.dataDir, "state.db"), isSynced: config.fsync !== "never" });
    const opened = store;
    const local = localRuntime({
      program: { path: programPath("sidecar.js"), environment: config.environment },
      launchTimeoutMs: config.limits.launch_timeout,
      ready: {
        // The daemon of one `agentd run` starts one session, as soon as it is up.
        count: config.leaveWhenIdle ? 0 : config.limits.ready_sidecars,
        dir: config.dataDir,
        onSkipped: (reason, session_id) =>
          log("warn", "a ready sidecar could not be used; a fresh one is started", { session_id, reason }),
      },
    });
    // A fault that nobody waited for must not end the sessions of others.
    process.on("unhandledRejection", (reason) => {
      log("error", "a fault went unnoticed", {
        error: reason instanceof Error ? (reason.stack ?? reason.message) : String(reason),
      });
    });
    const supervisor = new Supervisor({
      config,
      runtimes: new Map([["local", local]]),
      store,
      runDir,
      keeperPath: programPath("keeper.js"),
      log,
    });
    await supervisor.recover();
    const { reached, begin, onClients } = idleWatch(supervisor);
    const server = await createServer({
      config,
      supervisor,
      answers: store.answers,
      token: config.auth ? token : undefined,
      version,
      onClients,
      onInternalError: (error) =>
        log("error", "request failed", {
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
    });
    const url = await listen(server, config);
    await lock.announce({ url, token_file: config.tokenFile });
    if (config.leaveWhenIdle) begin();
    local.keepReady();
    return {
      url,
      idle: reached,
      close: async (reason) => {
        const kept = config.onShutdown === "keep" ? supervisor.liveCount : 0;
        if (kept > 0) server.sockets.closeAll({ reason: `the daemon leaves (${reason})`, sessionsGoOn: true });
        await Promise.all([supervisor.close(config.onShutdown), local.close()]);
        server.sockets.closeAll({ reason, sessionsGoOn: false });
        await server.app.close();
        await opened.close();
        // Empty by now; should it not be, the next daemon of this data dir finds what is in it.
        await rmdir(runDir).catch(() => undefined);
        await lock.release();
        return { kept };
      },
    };
  } catch (error) {
    await store?.close();
    await lock.release();
    throw error;
  }
}

async function listen({ app }: Server, { listen: { host, port } }: Config): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new AgentdError("internal", `Cannot listen on ${host}:${port}: ${listenFault(error)}`, { cause: error });
  }
  const address = app.server.address();
  const bound = typeof address === "object" && address ? address.port : port;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${bound}`;
}

/** What is in the way, and what to do. */
function listenFault(error: unknown): string {
  switch (errnoOf(error)) {
    case "EADDRINUSE":
      return "another program does. Choose another with --port, or --port 0 for any free one";
    case "EACCES":
      return "this user may not. Choose a port above 1023 with --port";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no address is known for that name. Choose an address of this machine with --host";
    case "EADDRNOTAVAIL":
      return "it is no address of this machine. Choose one that is with --host";
    default:
      return `${messageOf(error)}. Choose another address with --host and --port`;
  }
}

/** The other bundled programs lie beside the bundled daemon; from source, in dist. */
function programPath(name: string): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const found = [join(here, name), join(here, "..", "dist", name)].find((path) => existsSync(path));
  if (!found)
    throw new AgentdError(
      "internal",
      `Cannot find ${name} beside "${here}": the installation is not whole. Install agentruntime again, or run "npm run build"`,
    );
  return found;
}

function logger(
  config: Config,
): (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void {
  const order = ["debug", "info", "warn", "error", "silent"];
  return (level, message, fields = {}) => {
    if (order.indexOf(level) < order.indexOf(config.log_level)) return;
    process.stderr.write(`${JSON.stringify({ level, time: new Date().toISOString(), msg: message, ...fields })}\n`);
  };
}

/** Tells when there has been neither a session nor a client for a while. */
function idleWatch(supervisor: Supervisor): { reached: Promise<void>; begin(): void; onClients(count: number): void } {
  let clients = 0;
  let timer: NodeJS.Timeout | undefined;
  let tell: () => void = () => undefined;
  const reached = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const look = (afterMs: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (clients === 0 && supervisor.liveCount === 0) tell();
    }, afterMs);
    timer.unref();
  };
  return {
    reached,
    begin: () => {
      supervisor.whenQuiet(() => look(idleMs));
      look(firstSessionMs);
    },
    onClients: (count) => {
      clients = count;
      if (count === 0) look(idleMs);
    },
  };
}
