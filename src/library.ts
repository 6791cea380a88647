/**
 * The daemon as a library, `agentruntime`: in the process of whoever embeds it, with the same settings, data dir and promises
 * as `agentd serve`.
 *
 *     const daemon = createDaemon({ dataDir: "/var/lib/my-product/agents" });
 *     await daemon.start();
 *     const session = await daemon.sessions.create({ agent: "claude", prompt: "Explain this repository" });
 */
import { readFile } from "node:fs/promises";
import type * as z from "zod";
import { type Client, clientAt } from "./client/client.ts";
import { addressOf } from "./client/daemon-address.ts";
import { type ConfigFile, loadConfig } from "./config.ts";
import { programPath, type Daemon as Running, startDaemon } from "./daemon.ts";
import { type Mounted, mountPlugin } from "./mount.ts";
import { AgentdError } from "./protocol/error.ts";

export { AgentdError };

/** What the configuration file may hold: see docs/configuration.md. */
export type DaemonConfig = z.input<typeof ConfigFile>;

export interface DaemonSettings {
  /** Where sessions are kept; at most one daemon at a time works in it. By default as `agentd serve` has it. */
  dataDir?: string;
  /**
   * In place of the configuration file, which is not read. Without `listen`, the daemon listens on a free port of 127.0.0.1;
   * without `on_shutdown`, sessions go on when it is stopped, and the next daemon of this data dir takes over.
   */
  config?: DaemonConfig;
  /** What agents and the daemon's own programs find; `process.env` by default. */
  environment?: Readonly<Record<string, string | undefined>>;
}

export interface EmbeddedDaemon {
  /**
   * Takes over what lives in the data dir, and serves. Sets the umask of this process to 077: what is written is for its
   * user alone. Throws an AgentdError when it cannot: for the settings, the data dir's lock, a port that is taken.
   */
  start(): Promise<void>;
  /** Ends what it serves, and sessions too with `on_shutdown: "stop"`. Once; another `start` follows it as well as not. */
  stop(): Promise<void>;
  /** `http://HOST:PORT`. Throws before `start` and after `stop`, as what follows does. */
  readonly url: string;
  /** Everything may be done with it. */
  readonly token: string;
  readonly client: Client;
  /** The client's sessions. */
  readonly sessions: Client["sessions"];
  /**
   * For an existing fastify server: `await app.register(daemon.plugin, { prefix: "/agents" })`. HTTP and WebSockets below the
   * prefix are the daemon's, behind the server's hooks and with its own tokens; names that the server is reached by must be in
   * `served_names`. While the daemon does not run they are answered with 503.
   */
  // biome-ignore lint/suspicious/noExplicitAny: fastify's own type would ask for fastify of those who mount nothing
  readonly plugin: (app: any) => Promise<void>;
}

/** The sidecar's program, for those who launch one themselves: `node PATH`, see docs/decisions/sidecar.md. */
export function sidecarPath(): string {
  return programPath("sidecar.js");
}

/** Throws an AgentdError for settings that cannot be used. */
export function createDaemon(settings: DaemonSettings = {}): EmbeddedDaemon {
  // biome-ignore lint/style/noProcessEnv: as `agentd serve` has it, unless whoever embeds it says otherwise
  const { dataDir, config: given = {}, environment = process.env } = settings;
  const file = { ...given, listen: given.listen ?? { port: 0 } };
  const read = () => loadConfig({ flags: { dataDir }, environment: withoutServeSettings(environment), file });
  const config = read();
  let running: { daemon: Running; client: Client; token: string } | undefined;
  let starting: Promise<void> | undefined;
  const started = () => {
    if (running) return running;
    throw new AgentdError("shutting_down", "Cannot use the daemon: it is not running. Await start() first");
  };
  const start = async () => {
    const daemon = await startDaemon(config, read, { isEmbedded: true });
    const token = (await readFile(config.tokenFile, "utf8")).trim();
    const address = await addressOf({
      url: daemon.url,
      token: config.auth ? token : undefined,
      source: "this process",
    });
    running = { daemon, token, client: clientAt(address) };
  };
  const mounted: Mounted = {
    isRunning: () => running !== undefined,
    handle: (request, response, prefix) => started().daemon.handle(request, response, prefix),
    upgrade: (request, socket, head, prefix) => started().daemon.upgrade(request, socket, head, prefix),
  };
  return {
    start: () => {
      if (starting) throw new AgentdError("invalid_request", "Cannot start the daemon: it is running. Stop it first");
      starting = start();
      // One that failed may be tried again.
      starting.catch(() => {
        starting = undefined;
      });
      return starting;
    },
    stop: async () => {
      await starting?.catch(() => undefined);
      const { daemon } = running ?? {};
      running = undefined;
      await daemon?.close("stopped by the program that embeds it");
      starting = undefined;
    },
    get url() {
      return started().daemon.url;
    },
    get token() {
      return started().token;
    },
    get client() {
      return started().client;
    },
    get sessions() {
      return started().client.sessions;
    },
    plugin: mountPlugin(mounted),
  };
}

/** Variables that set up an `agentd` of this machine are not for a daemon inside another program. */
function withoutServeSettings(environment: Readonly<Record<string, string | undefined>>) {
  return { ...environment, AGENTRUNTIME_PORT: undefined };
}
