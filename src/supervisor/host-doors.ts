/**
 * The daemon's ends of the doors by which sessions in containers reach single services outside: a Unix socket for each,
 * behind which lies exactly one host and port.
 */
import { chmod, mkdir, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { joinSockets } from "../process/join-sockets.ts";
import type { Denial } from "../protocol/egress.ts";
import { doorName, type HostService } from "../protocol/host-service.ts";
import type { SessionSpec } from "../protocol/session.ts";

export interface HostDoorsOptions {
  /** What the operator lists now. */
  listed(): readonly HostService[];
  /** The folder of a session's sockets, which its container sees; undefined where there is none. */
  folderOf(spec: SessionSpec): string | undefined;
  onDenied(sessionId: string, denial: Denial): void;
}

const connectionsMax = 256;

export class HostDoors {
  readonly #options: HostDoorsOptions;
  readonly #open = new Map<string, { servers: Server[]; sockets: Set<Socket> }>();

  constructor(options: HostDoorsOptions) {
    this.#options = options;
  }

  /** Opens the doors of a session, also of one that an earlier daemon began. */
  async open(spec: SessionSpec): Promise<void> {
    const services = spec.egress?.host_services ?? [];
    const folder = this.#options.folderOf(spec);
    if (services.length === 0 || folder === undefined) return;
    await mkdir(folder, { recursive: true });
    // It is behind the session's own folder, which nobody else may enter.
    await chmod(folder, 0o711);
    const opened = { servers: [] as Server[], sockets: new Set<Socket>() };
    this.#open.set(spec.session_id, opened);
    for (const [index, service] of services.entries()) {
      const path = join(folder, doorName(index));
      await rm(path, { force: true });
      const server = createServer({ allowHalfOpen: true }, (inner) => {
        opened.sockets.add(inner);
        inner.on("close", () => opened.sockets.delete(inner));
        this.#pass(spec.session_id, service, inner);
      });
      server.maxConnections = connectionsMax;
      await new Promise<void>((resolve, reject) => {
        // Also of what comes later, which is of one connection only.
        server.on("error", reject);
        server.listen(path, resolve);
      });
      await chmod(path, 0o666);
      opened.servers.push(server);
    }
  }

  close(sessionId: string): void {
    const opened = this.#open.get(sessionId);
    this.#open.delete(sessionId);
    for (const server of opened?.servers ?? []) server.close();
    for (const socket of opened?.sockets ?? []) socket.destroy();
  }

  closeAll(): void {
    for (const id of [...this.#open.keys()]) this.close(id);
  }

  #pass(sessionId: string, { name, host, port }: HostService, inner: Socket): void {
    // What the operator has taken off the list since the session began is closed to it.
    if (!this.#options.listed().some((one) => one.name === name && one.host === host && one.port === port)) {
      this.#options.onDenied(sessionId, { at: Date.now(), host, port, reason: "host_service", verdict: "denied" });
      inner.destroy();
      return;
    }
    joinSockets(inner, connect({ port, host, allowHalfOpen: true }));
  }
}
