/** What containers and networks of this daemon are called, and the labels by which it finds them again. Pure. */
import { createHash } from "node:crypto";

export const label = {
  /** On everything that agentd makes. */
  managed: "agentruntime.managed",
  /** Which daemon's: a digest of its data dir. */
  daemon: "agentruntime.daemon",
  session: "agentruntime.session_id",
  role: "agentruntime.role",
  /** Where the session's network lies. */
  subnet: "agentruntime.subnet",
} as const;

export type Role = "agent" | "proxy" | "session-network" | "egress-network";

export class Names {
  readonly daemon: string;

  constructor(dataDir: string) {
    this.daemon = digest(dataDir);
  }

  /** Of a session's container: a digest, because ids that callers choose may begin alike. */
  ofSession(sessionId: string): string {
    return `agentruntime-${digest(`${this.daemon} ${sessionId}`)}`;
  }

  ofNetwork(cidr: string): string {
    return `agentruntime-${digest(`${this.daemon} ${cidr}`)}`;
  }

  get proxy(): string {
    return `agentruntime-proxy-${this.daemon}`;
  }

  get egressNetwork(): string {
    return `agentruntime-egress-${this.daemon}`;
  }

  labels(role: Role, sessionId?: string): Record<string, string> {
    return {
      [label.managed]: "1",
      [label.daemon]: this.daemon,
      [label.role]: role,
      ...(sessionId === undefined ? {} : { [label.session]: sessionId }),
    };
  }

  /** A filter for what is this daemon's, of one role. */
  filter(role: Role, sessionId?: string): string[] {
    return Object.entries(this.labels(role, sessionId)).map(([key, value]) => `${key}=${value}`);
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
