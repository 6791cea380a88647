/** What the parts of the supervisor share. */
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Config } from "../config.ts";
import type { LimitSupport } from "../process/group-limits.ts";
import { socketPathOf } from "../runtime/docker/engine-address.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SessionWatch } from "../session/watch.ts";
import type { Store } from "../store/store.ts";
import type { Archive } from "./archive.ts";
import type { AtMost } from "./at-most.ts";
import type { Books } from "./books.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { EgressLog } from "./egress-log.ts";
import type { HostDoors } from "./host-doors.ts";
import type { Keepers } from "./keepers.ts";
import type { Later } from "./later.ts";
import type { Logins } from "./logins.ts";
import type { Registry } from "./registry.ts";
import type { TornLogs } from "./torn-logs.ts";
import type { Unreadables } from "./unreadables.ts";
import type { WorkDirGuard } from "./work-dir.ts";

export type Log = (level: "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;

export interface Context {
  /** What of it may change while the daemon runs is changed by egress-reload.ts. */
  config: Config;
  readonly runtimes: ReadonlyMap<string, Runtime>;
  /** Short private folder for sockets and agents' temporary files. */
  readonly runDir: string;
  readonly store: Store;
  readonly registry: Registry;
  readonly archive: Archive;
  readonly unreadables: Unreadables;
  readonly later: Later;
  readonly books: Books;
  readonly checkpoints: Checkpoints;
  readonly keepers: Keepers;
  readonly hostDoors: HostDoors;
  readonly logins: Logins;
  readonly egressLog: EgressLog;
  /** Of the spools that dead sidecars left: one after the other, each as fast as the disk takes it. */
  readonly drains: AtMost;
  /** Changes of what sessions may reach: one after the other, so that none puts an older list over a newer one. */
  readonly egressTurns: AtMost;
  readonly tornLogs: TornLogs;
  readonly log: Log;
  readonly watch: SessionWatch;
  /** Which limits this machine lets us hold. */
  readonly limitSupport: LimitSupport;
  /** The daemon is leaving: nothing new may begin. */
  isClosing(): boolean;
}

/** A session's own folder for sockets. */
export function runDirOf(runDir: string, id: string): string {
  // Ids are chosen by callers; a digest keeps those that begin alike apart.
  return join(runDir, createHash("sha256").update(id).digest("base64url").slice(0, 12));
}

export async function workDirGuard({ config, runDir }: Pick<Context, "config" | "runDir">): Promise<WorkDirGuard> {
  const { environment, dataDir, tokenFile, configFile, listen, agents, engine } = config;
  const home = environment["HOME"] || homedir();
  const logins = Object.values(agents).map(({ login }) => login);
  const files = [tokenFile, configFile, listen.socket, socketPathOf(engine), ...logins];
  const own = [runDir, ...files].filter((path) => path !== undefined);
  return { home: await realpath(home).catch(() => home), dataDir, own };
}
