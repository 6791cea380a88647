/** What containers and networks of this daemon are called, and the labels by which it finds them again. Pure. */
import { createHash } from "node:crypto";

export const label = {
  /** On everything that agentd makes. */
  managed: "agentruntime.managed",
  /** Which daemon's: a digest of what tells its data dir from all others. */
  daemon: "agentruntime.daemon",
  dataDir: "agentruntime.data_dir",
  /** Of two data dirs of one path, on two machines or one after the other, which. */
  mark: "agentruntime.data_dir_mark",
  /** Where the data dir is to be looked for. */
  machine: "agentruntime.machine",
  session: "agentruntime.session_id",
  role: "agentruntime.role",
  /** Where the session's network lies. */
  subnet: "agentruntime.subnet",
  /** On volumes: whose folder on the daemon's machine, and which copy of it. */
  sessionDir: "agentruntime.session_dir",
  token: "agentruntime.token",
} as const;

/** `ready`: a container that was there before its session, which its name tells. */
export type Role =
  | "agent"
  | "ready"
  | "proxy"
  | "session-network"
  | "egress-network"
  | "session-volume"
  | "proxy-volume";

/** Whose things they are. */
export interface Origin {
  dataDir: string;
  /** Like no other data dir's, on whatever machine. */
  mark: string;
  machine: string;
}

/** What the daemon of a data dir was called by versions that knew it by its path alone. */
export function earlierDaemon(dataDir: string): string {
  return digest(dataDir);
}

export class Names {
  readonly daemon: string;
  readonly origin: Origin;

  /** By its path alone, a data dir of another machine on the same engine would be ours. */
  constructor(origin: Origin, daemon = digest(origin.mark)) {
    this.origin = origin;
    this.daemon = daemon;
  }

  /** Of a session's container: a digest, because ids that callers choose may begin alike. */
  ofSession(sessionId: string): string {
    return `agentruntime-${digest(`${this.daemon} ${sessionId}`)}`;
  }

  /** Of a container that waits for a session. */
  ofReady(token: string): string {
    return `agentruntime-ready-${digest(`${this.daemon} ${token}`)}`;
  }

  ofNetwork(cidr: string): string {
    return `agentruntime-${digest(`${this.daemon} ${cidr}`)}`;
  }

  ofVolume(sessionId: string, place: string): string {
    return `${this.ofSession(sessionId)}-${place}`;
  }

  ofProxyVolume(target: string): string {
    return `${this.proxy}-${digest(target)}`;
  }

  get proxy(): string {
    return `agentruntime-proxy-${this.daemon}`;
  }

  get egressNetwork(): string {
    return `agentruntime-egress-${this.daemon}`;
  }

  labels(role: Role, sessionId?: string): Record<string, string> {
    return {
      ...this.#marks(role, sessionId),
      // For others alone, who cannot tell it from the digest. What an earlier version made is found without it.
      [label.dataDir]: this.origin.dataDir,
      [label.mark]: this.origin.mark,
      [label.machine]: this.origin.machine,
    };
  }

  /** A filter for what is this daemon's, of one role. */
  filter(role: Role, sessionId?: string): string[] {
    return Object.entries(this.#marks(role, sessionId)).map(([key, value]) => `${key}=${value}`);
  }

  #marks(role: Role, sessionId: string | undefined): Record<string, string> {
    return {
      [label.managed]: "1",
      [label.daemon]: this.daemon,
      [label.role]: role,
      ...(sessionId === undefined ? {} : { [label.session]: sessionId }),
    };
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
