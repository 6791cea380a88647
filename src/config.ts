/** Flags, environment and the configuration file, made into one frozen, validated Config. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import * as z from "zod";
import { readAuthorities } from "./authorities.ts";
import { configFault } from "./config-fault.ts";
import { DockerSettings, EgressSettings, engineAddress } from "./docker-settings.ts";
import { HarnessName } from "./protocol/bootstrap.ts";
import { Duration, DurationOrNone } from "./protocol/duration.ts";
import { AgentdError, errnoOf, messageOf } from "./protocol/error.ts";
import { Hooks } from "./protocol/hooks.ts";
import { isLoopback } from "./protocol/loopback.ts";
import { CpuCount, MemorySize, PidCount } from "./protocol/resources.ts";
import { type EngineAddress, isRemote } from "./runtime/docker/engine-address.ts";

const AbsolutePath = z.string().startsWith("/", "an absolute path");
const bytes = z.number().int().positive();

/** A regular expression; one that matches nothing at all would be found everywhere. */
const Pattern = z.string().check((context) => {
  const found = patternFault(context.value);
  if (found !== undefined) context.issues.push({ code: "custom", message: found, input: context.value });
});

const mebibyte = 1024 * 1024;

/** How one agent is started. Only the operator names command lines; a caller of the API names an agent. */
const AgentSettings = z.strictObject({
  /** The program; without it the agent is looked for: see src/runtime/find-agent.ts. */
  command: z.string().min(1).optional(),
  /** Put before the arguments that the harness adds. */
  args: z.array(z.string()).default([]),
  /** Added to the agent's environment. */
  env: z.record(z.string(), z.string()).default({}),
  /** Name of the variable in the daemon's environment that holds the key for the model. */
  key_env: z.string().min(1).optional(),
  /** File of a person's login (Claude Code's `.credentials.json`, Codex's or OpenCode's `auth.json`) that its sessions in containers work with. */
  login: z.string().min(1).optional(),
  /** Which of the logins in OpenCode's file. */
  login_service: z.string().min(1).optional(),
  /** Where that login is renewed, when not at its maker's. */
  login_token_url: z.url().optional(),
  /** Where the agent finds its model; requests cannot set it. */
  base_url: z.url().optional(),
  /** Keep the key from the agent: a process beside it adds the key to what it asks of its model. */
  hide_key: z.boolean().default(false),
  /** Taken out of what it tells, besides the values of `redact`. */
  redact: z.array(Pattern).default([]),
  /** Programs that run around it, each in place of the one in `hooks`. */
  hooks: Hooks.optional(),
  /** What drives it; by default the harness of that name for claude, codex and opencode, `generic` for any other. */
  harness: HarnessName.optional(),
});

/** An agent's settings with its harness decided. */
export type AgentSettings = z.infer<typeof AgentSettings> & { harness: HarnessName };

const Limits = z.strictObject({
  /** Live sessions at once; 0 is no limit. */
  max_sessions: z.number().int().nonnegative().default(0),
  /** Chats that are kept. */
  max_chats: z.number().int().positive().default(1000),
  /** Requests of one token in a second, with as many more at once as it did not send before; 0 is no limit. */
  token_requests: z.number().int().nonnegative().default(1000),
  /** Live sessions at once that one token began; 0 is no limit. */
  token_sessions: z.number().int().nonnegative().default(0),
  /** Connections at once, of clients and of requests. */
  max_connections: z.number().int().positive().default(10_000),
  /** Memory of a session's replay ring, in bytes. */
  ring_bytes: bytes.default(mebibyte),
  /** Body of a request and message of a client, in bytes. */
  body_bytes: bytes.default(8 * mebibyte),
  /** What all clients together may leave unread. */
  clients_bytes: bytes.default(256 * mebibyte),
  /** Longest line of an agent that stays in the log; longer ones go to a blob file. */
  line_bytes: bytes.default(8 * mebibyte),
  blob_bytes: bytes.default(256 * mebibyte),
  /** Unacknowledged events a sidecar keeps on disk before it stops reading its agent. */
  spool_bytes: bytes.default(256 * mebibyte),
  /** Prompts waiting in one session. */
  queue_length: z.number().int().positive().default(100),
  /** How long a client may fail to read before it is closed. */
  client_stall: Duration.default(60_000),
  /** Silence of the model after which a session is warned; `off` for never. */
  stall_warning: z.union([z.literal("off"), Duration]).default(600_000),
  /** … and after which it is ended. A running tool and a waiting person are never a stall. */
  stall_kill: z.union([z.literal("off"), Duration]).default(3_000_000),
  /** How long a question of an agent waits for a person, when the request does not say. */
  input_timeout: DurationOrNone.optional(),
  /** How long a hook may take that is to end by itself. */
  hook_timeout: Duration.default(30_000),
  /** What a session may use unless it asks for less; it may not ask for more. */
  session_memory: MemorySize.optional(),
  session_cpus: CpuCount.optional(),
  session_pids: PidCount.optional(),
  /** How long a sidecar may take to come up. */
  launch_timeout: Duration.default(15_000),
  /** Sidecars started ahead, so that a session need not wait for node's start; 0 starts each when it is needed. */
  ready_sidecars: z.number().int().min(0).max(32).default(2),
});

/** What becomes of sessions that have ended; without a number all are kept. */
const Retention = z.strictObject({
  /** So many of those that ended last are kept. */
  keep_sessions: z.number().int().nonnegative().optional(),
  /** Those that ended within so many days are kept. */
  keep_days: z.number().positive().optional(),
  /** Logs of those that ended longer ago are compressed. */
  compress_days: z.number().nonnegative().optional(),
});

const OnShutdown = z.enum(["keep", "stop"]);
/** `stop_own` ends what this daemon began, and lets go on what it took over from an earlier one. */
export type OnShutdown = z.infer<typeof OnShutdown> | "stop_own";

/** What of this machine agents of local sessions see. */
const LocalSandbox = z.strictObject({
  /** Keep them in a sandbox: bubblewrap, on Linux. */
  enabled: z.boolean().default(false),
  /** Folders and files that they may read besides the system's, such as programs in a home. */
  read: z.array(AbsolutePath).default([]),
  /** … and those that they may change besides the session's. */
  write: z.array(AbsolutePath).default([]),
  /** Let agents that are logged in as a person keep their settings in that home, which they can change for later. */
  user_home: z.boolean().default(false),
});

/** The configuration file. */
export const ConfigFile = z.strictObject({
  listen: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: z.number().int().min(0).max(65535).default(8090),
      /** A Unix socket instead of a port. */
      socket: z.string().min(1).optional(),
    })
    .prefault({}),
  /** Names, besides loopback ones, under which clients may address the daemon (the Host header). */
  served_names: z.array(z.string()).default([]),
  /** The runtime of a request that names none. */
  runtime: z.enum(["local", "docker"]).default("local"),
  /** Runtimes that requests may name; by default only `runtime`. */
  runtimes: z.array(z.enum(["local", "docker"])).optional(),
  /** File with the token that clients must send; by default `token` in the data dir, made at the first start. */
  token_file: z.string().optional(),
  auth: z.boolean().default(true),
  agents: z.record(z.string().regex(/^[a-z0-9][a-z0-9_-]{0,31}$/), AgentSettings).default({}),
  /** Regular expressions of what is taken out of all that agents tell, besides the keys and tokens that they are given. */
  redact: z.array(Pattern).default([]),
  /** Whether a request may name programs (stdio MCP servers, hooks) that run in sessions in which a person decides on tools. */
  allow_executables: z.boolean().default(false),
  /** Programs that run around the agent of each session, beside it and with its rights. */
  hooks: Hooks.optional(),
  limits: Limits.prefault({}),
  retention: Retention.prefault({}),
  local_sandbox: LocalSandbox.prefault({}),
  docker: DockerSettings.prefault({}),
  /** What sessions in containers may reach. */
  egress: EgressSettings.prefault({}),
  /** When the log is forced to disk: never, at each prompt and result, or at each write. */
  fsync: z.enum(["never", "turn", "always"]).default("turn"),
  /** What becomes of live sessions when the daemon is told to leave: they go on, for the next daemon, or they end. */
  on_shutdown: OnShutdown.optional(),
  log_level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  /** Where an OpenTelemetry collector takes OTLP over HTTP, such as `http://127.0.0.1:4318`; without it there are no traces. */
  otlp_endpoint: z.url({ protocol: /^https?$/ }).optional(),
});
export type ConfigFile = z.infer<typeof ConfigFile>;

/** What the command line may set; undefined means "not given". */
export interface ConfigFlags {
  config?: string | undefined;
  dataDir?: string | undefined;
  host?: string | undefined;
  port?: number | undefined;
  listen?: string | undefined;
  runtime?: string | undefined;
  dockerHost?: string | undefined;
  maxSessions?: number | undefined;
  auth?: boolean | undefined;
  ringBytes?: number | undefined;
  clientStall?: string | undefined;
  redact?: string[] | undefined;
  localSandbox?: boolean | undefined;
  fsync?: string | undefined;
  logLevel?: string | undefined;
  onShutdown?: string | undefined;
  keepSessions?: number | undefined;
  keepDays?: number | undefined;
  compressDays?: number | undefined;
  leaveWhenIdle?: boolean | undefined;
}

export interface Config
  extends Omit<ConfigFile, "runtimes" | "token_file" | "agents" | "on_shutdown" | "otlp_endpoint"> {
  readonly agents: Readonly<Record<string, AgentSettings>>;
  readonly dataDir: string;
  /** The file that it was read from, if there is one. */
  readonly configFile: string | undefined;
  readonly tokenFile: string;
  /** Of containers. */
  readonly engine: EngineAddress;
  /** The certificates in `egress.ca_certificates`, in PEM. */
  readonly extraAuthorities: string;
  readonly runtimes: readonly ("local" | "docker")[];
  readonly onShutdown: OnShutdown;
  /** Where spans are sent; undefined sends none. */
  readonly otlpTracesUrl: string | undefined;
  /** Close when the last session and the last client are gone. */
  readonly leaveWhenIdle: boolean;
  /** The daemon's own environment, from which agents get an allow-list. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The only place that reads the environment in the daemon and its commands. */
export function readEnvironment(): Readonly<Record<string, string | undefined>> {
  return Object.freeze({ ...process.env });
}

/** The data dir: flag, AGENTRUNTIME_DATA_DIR, $XDG_DATA_HOME/agentruntime, ~/.local/share/agentruntime. */
export function dataDirOf(flag: string | undefined, environment: Readonly<Record<string, string | undefined>>): string {
  const named = flag ?? environment["AGENTRUNTIME_DATA_DIR"];
  if (named) return resolve(named);
  const share = environment["XDG_DATA_HOME"] || join(environment["HOME"] || homedir(), ".local", "share");
  return join(share, "agentruntime");
}

/** Throws an AgentdError whose message says which setting is wrong, what was found and what was expected. */
export function loadConfig(given: {
  flags: ConfigFlags;
  environment: Readonly<Record<string, string | undefined>>;
  /** In place of what the configuration file holds, which is not read. */
  file?: unknown;
}): Config {
  const { flags, environment } = given;
  const dataDir = dataDirOf(flags.dataDir, environment);
  const file =
    given.file === undefined ? readConfigFile(flags.config, join(dataDir, "config.json")) : { value: given.file };
  const merged = overrideWith(flags, environment, file.value);
  const parsed = ConfigFile.safeParse(merged);
  if (!parsed.success) {
    throw new AgentdError(
      "invalid_request",
      `Cannot use the configuration${file.path ? ` in "${file.path}"` : ""}: ${configFault(parsed.error, ConfigFile)}`,
    );
  }
  const { runtimes, token_file, on_shutdown, otlp_endpoint, ...rest } = parsed.data;
  const config: Config = {
    ...rest,
    agents: withHarnesses({ ...builtInAgents(), ...rest.agents }),
    dataDir,
    configFile: file.path,
    tokenFile: token_file ? resolve(dataDir, token_file) : join(dataDir, "token"),
    engine: engineAddress(rest.docker, environment),
    extraAuthorities: readAuthorities(rest.egress.ca_certificates),
    runtimes: runtimes ?? [rest.runtime],
    // The daemon of one `agentd run` leaves nothing of its own behind: nobody would start the next one. What it found
    // is the work of a daemon that somebody keeps up, and stopped for a moment.
    onShutdown: on_shutdown ?? (flags.leaveWhenIdle ? "stop_own" : "keep"),
    otlpTracesUrl: environment["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] || tracesUrlOf(otlp_endpoint),
    leaveWhenIdle: flags.leaveWhenIdle ?? false,
    environment,
  };
  refuseImpossible(config);
  return Object.freeze(config);
}

/** Settings each of which may be, but not together. */
function refuseImpossible({ auth, listen, runtimes, docker, engine }: Config): void {
  if (!auth && listen.socket === undefined && !isLoopback(listen.host))
    throw new AgentdError(
      "invalid_request",
      `Cannot listen on "${listen.host}" without authentication: whoever reaches that address could run commands here. Drop --no-auth, or listen on 127.0.0.1`,
    );
  if (docker.ready_containers > 0 && runtimes.includes("docker") && isRemote(engine))
    throw new AgentdError(
      "invalid_request",
      `Cannot keep ${docker.ready_containers} containers ready (docker.ready_containers) on the engine at "${engine.host}": it sees no folder of this machine, and what a session works on is copied there when it begins. Leave docker.ready_containers out, or use an engine behind a Unix socket`,
    );
}

/** Agents that are there without being configured: each is driven by the harness of its name. */
const builtIn = ["claude", "codex", "opencode"] as const;

function builtInAgents(): ConfigFile["agents"] {
  return Object.fromEntries(builtIn.map((name) => [name, AgentSettings.parse({})]));
}

function withHarnesses(agents: ConfigFile["agents"]): Record<string, AgentSettings> {
  return Object.fromEntries(
    Object.entries(agents).map(([name, settings]) => [
      name,
      { ...settings, harness: settings.harness ?? builtIn.find((known) => known === name) ?? "generic" },
    ]),
  );
}

function readConfigFile(flag: string | undefined, standard: string): { path?: string; value: unknown } {
  const path = flag === undefined ? standard : resolve(flag);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    // Below a file there is none either: what is wrong with the data dir is said by whoever makes it.
    if (flag === undefined && ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return { value: {} };
    throw new AgentdError(
      "invalid_request",
      `Cannot read the configuration file "${path}": ${errnoOf(error) === "ENOENT" ? "there is none" : messageOf(error)}. ${flag === undefined ? "Make it readable, or name another with --config" : "Name another with --config, or leave that out"}`,
      { cause: error },
    );
  }
  try {
    return { path, value: JSON.parse(text) as unknown };
  } catch (error) {
    throw new AgentdError(
      "invalid_request",
      `Cannot use the configuration file "${path}": it is not JSON (${messageOf(error)})`,
      { cause: error },
    );
  }
}

/** Flags over environment over file. What is not an object stays as it is, for the schema to refuse. */
function overrideWith(
  flags: ConfigFlags,
  environment: Readonly<Record<string, string | undefined>>,
  file: unknown,
): unknown {
  if (typeof file !== "object" || file === null || Array.isArray(file)) return file;
  const base = new Map(Object.entries(file));
  const section = (name: string, flagged: Record<string, unknown>): unknown => {
    const value: unknown = base.get(name) ?? {};
    return typeof value === "object" && !Array.isArray(value) ? { ...value, ...given(flagged) } : value;
  };
  const port = flags.port ?? (environment["AGENTRUNTIME_PORT"] ? Number(environment["AGENTRUNTIME_PORT"]) : undefined);
  return {
    ...Object.fromEntries(base),
    listen: section("listen", { host: flags.host, port, socket: socketOf(flags.listen) }),
    docker: section("docker", { host: flags.dockerHost }),
    retention: section("retention", {
      keep_sessions: flags.keepSessions,
      keep_days: flags.keepDays,
      compress_days: flags.compressDays,
    }),
    local_sandbox: section("local_sandbox", { enabled: flags.localSandbox }),
    limits: section("limits", {
      max_sessions: flags.maxSessions,
      ring_bytes: flags.ringBytes,
      client_stall: flags.clientStall,
    }),
    ...given({
      runtime: flags.runtime,
      auth: flags.auth,
      fsync: flags.fsync,
      log_level: flags.logLevel,
      on_shutdown: flags.onShutdown,
      redact: flags.redact && [...listed(base.get("redact")), ...flags.redact],
      otlp_endpoint: environment["OTEL_EXPORTER_OTLP_ENDPOINT"] || undefined,
    }),
  };
}

function socketOf(listen: string | undefined): string | undefined {
  if (listen === undefined) return undefined;
  const [, path] = /^unix:(.+)$/.exec(listen) ?? [];
  if (path !== undefined) return resolve(path);
  throw new AgentdError(
    "invalid_request",
    `Cannot listen on ${JSON.stringify(listen)}: expected unix:PATH. For an address and a port there are --host and --port`,
  );
}

/** The standard puts the signal's path behind the collector's address. */
function tracesUrlOf(endpoint: string | undefined): string | undefined {
  return endpoint === undefined ? undefined : `${endpoint.replace(/\/+$/, "")}/v1/traces`;
}

/** What is no list is for the schema to refuse. */
function listed(value: unknown): unknown[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value];
}

function patternFault(source: string): string | undefined {
  try {
    if (!new RegExp(source).test("")) return undefined;
    return `the pattern ${JSON.stringify(source)} matches the empty text, and so everywhere`;
  } catch (error) {
    return `no regular expression: ${messageOf(error)}`;
  }
}

function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
