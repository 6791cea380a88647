/** Wires the rooms together; starts them in order and stops them in reverse. */
import { existsSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { AuditLog } from "./access/audit-log.ts";
import { LiveCalls } from "./access/live-calls.ts";
import { RequestRate } from "./access/request-rate.ts";
import { Tickets } from "./access/tickets.ts";
import { Tokens } from "./access/tokens.ts";
import { enter } from "./api/mounted.ts";
import { type Access, createServer, type Server } from "./api/server.ts";
import { Chats } from "./chats/chats.ts";
import { openOwnStore, storePath } from "./claim-store.ts";
import type { Config, OnShutdown } from "./config.ts";
import { dataDirMark, ensureRunDir, ensureToken, lockDataDir, replaceToken } from "./data-dir.ts";
import { listen } from "./listening.ts";
import { localSandbox } from "./local-sandbox.ts";
import { createObserver, type Observer } from "./observe/observer.ts";
import { type LimitSupport, supportLimits } from "./process/group-limits.ts";
import { protectDaemon } from "./process/oom-score.ts";
import { serviceManager } from "./process/service-manager.ts";
import type { Denial } from "./protocol/egress.ts";
import { AgentdError } from "./protocol/error.ts";
import { limitKinds } from "./protocol/resources.ts";
import { type LocalRuntime, localRuntime } from "./runtime/local.ts";
import type { Runtime } from "./runtime/runtime.ts";
import { sessionHome } from "./session/home.ts";
import type { Store } from "./store/store.ts";
import { lastDenialAt } from "./supervisor/egress-log.ts";
import { unheldLimits } from "./supervisor/resources.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { version } from "./version.ts";

export interface Daemon {
  readonly url: string;
  /** Answers a request that came by another server, whose address begins with `prefix`. */
  handle(request: IncomingMessage, response: ServerResponse, prefix: string): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, prefix: string): void;
  /** A sentence for the operator on stderr, which must not wait for one who does not read. */
  note(sentence: string): void;
  /** Ends all sessions or leaves them to a next daemon, as configured; says goodbye to all clients; frees port and data dir. */
  close(reason: string): Promise<void>;
  /** Resolves when the last session and the last client are gone; only with `leaveWhenIdle`. */
  readonly idle: Promise<void>;
}

/** How long a daemon that leaves when idle stays without anything to do. */
const idleMs = 2000;
/** … and how long it waits for its first session. */
const firstSessionMs = 60_000;

/**
 * `reread` reads the configuration as it is in its file now; throws for one that cannot be used. `isEmbedded`: the process is
 * somebody else's, who decides what becomes of faults that nobody waited for, and who may be ended when memory is short.
 */
export async function startDaemon(
  config: Config,
  reread: () => Config,
  { isEmbedded = false }: { isEmbedded?: boolean } = {},
): Promise<Daemon> {
  refuseUnusable();
  // Everything this daemon writes is for its own user.
  process.umask(0o077);
  const lock = await lockDataDir(config.dataDir, version, { leavesWhenIdle: config.leaveWhenIdle });
  let store: Store | undefined;
  try {
    const token = await ensureToken(config.tokenFile);
    const runDir = await ensureRunDir(config.dataDir);
    const served: { server?: Server } = {};
    const observer = await createObserver({ config, version, token, ...clientFigures(served) });
    const opened = await openStore(config, observer);
    store = opened;
    const access = await openAccess(config, { store: opened, token, observer });
    // Behind the store, which finds out by its own id whose it is.
    const local = await openLocal(config, { observer, runDir });
    if (!isEmbedded) {
      reportFaults(observer);
      protectDaemon();
    }
    const limitSupport = prepareLimits(config, observer);
    const runtimes = await openRuntimes(config, observer, local, {
      log: observer.log,
      onDenied: (sessionId, denial) => supervisor.noteDenial(sessionId, denial),
    });
    const { watch, log, restarted } = observer;
    const told = { watch, log, onKeeperRestart: () => restarted("keeper"), keeperPath: programPath("keeper.js") };
    const given = { limitSupport, config, runtimes, store: opened, runDir, reread, ...told };
    const supervisor = new Supervisor(given);
    await supervisor.recover();
    const chats = await openChats(config, { supervisor, store: opened, log });
    const { reached, begin, onClients } = idleWatch(supervisor);
    const server = await createServer({
      scrape: observer.scrape,
      limitSupport,
      onRefused: observer.refused,
      config,
      supervisor,
      chats,
      answers: opened.answers,
      access,
      version,
      consoleDir: findBeside("web"),
      onClients,
      onInternalError: (error) => observer.log("error", "request failed", { error }),
    });
    served.server = server;
    const url = await listen(server, config);
    await lock.announce({ url, token_file: config.tokenFile });
    if (config.leaveWhenIdle) begin();
    local.keepReady();
    const tell = managerTeller(config, observer);
    void tell("ready");
    return {
      url,
      ...doors(server),
      note: observer.note,
      idle: reached,
      close: async (reason) => {
        const isTold = tell("stopping");
        const kept = supervisor.goingOn(config.onShutdown);
        server.sockets.closeOf(kept, `the daemon leaves (${reason})`);
        await Promise.all([supervisor.close(config.onShutdown), local.close()]);
        server.sockets.closeAll(reason);
        await server.app.close();
        access.live.close();
        await access.audit.close();
        await runtimes.get("docker")?.close();
        // Told before this program ends: what tells it would end with it.
        await Promise.all([opened.close(), isTold]);
        // Empty by now; should it not be, the next daemon of this data dir finds what is in it.
        await rmdir(runDir).catch(() => undefined);
        await lock.release();
        if (kept.size > 0) observer.note(goOn(kept.size, config.onShutdown));
        await observer.close();
      },
    };
  } catch (error) {
    await store?.close();
    await lock.release();
    throw error;
  }
}

/** For requests that another server has taken. */
function doors({ app }: Server): Pick<Daemon, "handle" | "upgrade"> {
  return {
    handle: (request, response, prefix) => {
      enter(request, prefix);
      app.routing(request, response);
    },
    upgrade: (request, socket, head, prefix) => {
      enter(request, prefix);
      app.server.emit("upgrade", request, socket, head);
    },
  };
}

/** The server comes last, and is asked for its clients only by those who reach it. */
function clientFigures(served: { server?: Server }) {
  return {
    clientLags: () => served.server?.clientLags() ?? [],
    clientBytes: () => served.server?.clientBytes() ?? 0,
  };
}

/** Who may call, and the log of what they did. */
async function openAccess(
  { dataDir, tokenFile, auth, limits }: Config,
  { store, token, observer }: { store: Store; token: string; observer: Observer },
): Promise<Access> {
  const live = new LiveCalls();
  const onFault = (error: unknown) => observer.log("error", "the audit log could not be written", { error });
  const writeFileToken = async (next: string) => {
    observer.hide(next);
    await replaceToken(tokenFile, next);
  };
  return {
    live,
    audit: await AuditLog.open({ dataDir, onFault }),
    tokens: await Tokens.open({ book: store.tokens, fileToken: token, writeFileToken, live }),
    tickets: new Tickets(),
    isRequired: auth,
    rate: new RequestRate(limits.token_requests),
  };
}

function refuseUnusable(): void {
  if (process.platform === "win32")
    throw new AgentdError("internal", "agentd does not run on Windows. Use it in WSL 2, or on Linux or macOS");
}

/** A fault that nobody waited for must not end the sessions of others. */
function reportFaults({ log }: Observer): void {
  process.on("unhandledRejection", (error) => log("error", "a fault went unnoticed", { error }));
}

async function openStore({ dataDir, fsync }: Config, { log }: Observer): Promise<Store> {
  const { store, claimed } = await openOwnStore(dataDir, fsync !== "never");
  if (claimed === "foreign")
    log(
      "warn",
      `The store "${storePath(dataDir)}" was another data dir's: its idempotency keys, tokens and chats are forgotten, and the sessions are read from their folders`,
    );
  return store;
}

/** Behind the sessions, which it asks what became of messages. */
async function openChats(
  config: Config,
  { supervisor, store, log }: { supervisor: Supervisor; store: Store; log: Observer["log"] },
): Promise<Chats> {
  const { dataDir } = config;
  const logPathOf = (id: string) => sessionHome(dataDir, id).log;
  const chats = new Chats({ supervisor, book: store.chats, config, dataDir, logPathOf, log });
  await chats.recover();
  return chats;
}

function goOn(kept: number, leaving: OnShutdown): string {
  const sessions = kept === 1 ? "1 session goes on" : `${kept} sessions go on`;
  const which = leaving === "stop_own" ? ", begun by an earlier daemon" : "";
  return `${sessions}${which}: the next "agentd serve" of this data dir takes over. To end them too: --on-shutdown stop`;
}

async function openLocal(
  config: Config,
  { observer, runDir }: { observer: Observer; runDir: string },
): Promise<LocalRuntime> {
  return localRuntime({
    program: { path: programPath("sidecar.js"), environment: config.environment },
    dataDir: config.dataDir,
    dataDirMark: await dataDirMark(config.dataDir),
    launchTimeoutMs: config.limits.launch_timeout,
    sandbox: await localSandbox(config, runDir),
    ready: {
      // The daemon of one `agentd run` starts one session, as soon as it is up.
      count: config.leaveWhenIdle || !config.runtimes.includes("local") ? 0 : config.limits.ready_sidecars,
      dir: config.dataDir,
      onLost: () => observer.restarted("ready_sidecar"),
      onSkipped: (reason, session_id) =>
        observer.log("warn", "a ready sidecar could not be used; a fresh one is started", { session_id, reason }),
    },
  });
}

/** Those that are enabled; a daemon for containers is none without an engine. */
async function openRuntimes(
  config: Config,
  observer: Observer,
  // Sessions of an earlier daemon may be local ones, whatever this one is for.
  local: Runtime,
  told: { log: Observer["log"]; onDenied(sessionId: string, denial: Denial): void },
): Promise<Map<string, Runtime>> {
  const { docker, limits } = config;
  const runtimes = new Map([["local", timed(local, observer)]]);
  if (!config.runtimes.includes("docker")) return runtimes;
  // Its library is for daemons that need it.
  const { dockerRuntime } = await import("./runtime/docker/docker.ts");
  const containers = await dockerRuntime({
    engine: config.engine,
    dataDir: config.dataDir,
    dataDirMark: await dataDirMark(config.dataDir),
    sessionDirOf: (id) => sessionHome(config.dataDir, id).dir,
    launchTimeoutMs: limits.launch_timeout,
    image: docker.image,
    proxyImage: docker.proxy_image,
    copyBytesMax: docker.copy_size,
    subnets: docker.subnets,
    egressNetwork: docker.egress_network,
    upstream: config.egress.upstream_proxy,
    authorities: docker.ca_file,
    extraAuthorities: config.extraAuthorities,
    limits: { pids: docker.pids, scratchBytes: docker.scratch_size },
    // The daemon of one `agentd run` starts one session.
    readyContainers: config.leaveWhenIdle ? 0 : docker.ready_containers,
    user: { uid: docker.uid, gid: docker.gid },
    deniedSince: await lastDenialAt(config.dataDir),
    onProxyReplaced: () => observer.restarted("proxy"),
    ...told,
  });
  return runtimes.set("docker", timed(containers, observer));
}

/** The other bundled programs lie beside the bundled daemon; from source, in dist. */
export function programPath(name: string): string {
  const found = findBeside(name);
  if (found === undefined)
    throw new AgentdError(
      "internal",
      `Cannot find ${name} beside "${ownFolder}": the installation is not whole. Install agentruntime again, or run "npm run build"`,
    );
  return found;
}

const ownFolder = dirname(fileURLToPath(import.meta.url));

function findBeside(name: string): string | undefined {
  return [join(ownFolder, name), join(ownFolder, "..", "dist", name)].find((path) => existsSync(path));
}

/** What of a session's use this daemon can limit; said once, and louder where the operator counts on it. */
function prepareLimits(config: Config, { log }: Observer): LimitSupport {
  const support = supportLimits();
  for (const sentence of unheldLimits(config, support)) log("warn", sentence);
  const missing = limitKinds.filter((kind) => support[kind] !== true);
  if (missing.length > 0) log("info", "some limits of sessions cannot be held here", { limits: support });
  return support;
}

/** Who does not hear of us may end us: that is worth a line, and no more. */
function managerTeller({ environment }: Config, { log }: Observer): (state: "ready" | "stopping") => Promise<void> {
  const manager = serviceManager(environment);
  return async (state) => {
    await manager?.[state]().catch((error: unknown) =>
      log("warn", `Cannot tell the service manager "${state}"`, { error }),
    );
  };
}

/** The same runtime, with each launch timed. */
function timed(runtime: Runtime, observer: Observer): Runtime {
  return {
    ...runtime,
    launch: async (bootstrap, spec) => {
      const startedAt = performance.now();
      const tell = (failed: boolean) =>
        observer.launched({ runtime: runtime.name, seconds: (performance.now() - startedAt) / 1000, failed });
      try {
        const handle = await runtime.launch(bootstrap, spec);
        tell(false);
        return handle;
      } catch (error) {
        tell(true);
        throw error;
      }
    },
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
