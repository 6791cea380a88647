/**
 * The key keeper of one session: a process of its own that knows the key of the model service, so that neither the agent
 * nor anything it starts does. It lives as long as the session's sidecar holds a lease, whatever becomes of the daemon.
 */
import { timingSafeEqual } from "node:crypto";
import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { leasePath } from "../protocol/model-door.ts";
import type { KeeperBootstrap } from "./bootstrap.ts";
import { credentialOf } from "./credential.ts";
import { forward } from "./forward.ts";
import { dispatcherFor } from "./outwards.ts";
import { RequestLog } from "./request-log.ts";

/** How long a keeper waits for its first lease. */
const firstLeaseMs = 30_000;
/** … and, once there was one, for the next. */
const nextLeaseMs = 2_000;

export interface Keeper {
  /** Resolves when nobody holds a lease any more. */
  readonly unleased: Promise<void>;
  close(): Promise<void>;
}

/** Listens; rejects with the error of the socket. */
export async function startKeeper(bootstrap: KeeperBootstrap): Promise<Keeper> {
  const dispatcher = dispatcherFor(bootstrap);
  const credential = credentialOf(bootstrap, dispatcher);
  const log = new RequestLog(bootstrap.log_path);
  const leases = leaseBook();
  const server = createServer((incoming, outgoing) => {
    if (incoming.url === leasePath) leases.take(incoming, outgoing, bootstrap.lease);
    else void serve(incoming, outgoing);
  });
  // Answers may take as long as a model thinks.
  server.requestTimeout = 0;
  await listen(server, bootstrap);
  return {
    unleased: leases.ended,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await dispatcher.destroy();
    },
  };

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const startedAt = Date.now();
    const { status, fault } = await forward({ bootstrap, dispatcher, credential }, { incoming, outgoing });
    log.note({
      at: startedAt,
      method: incoming.method ?? "",
      path: (incoming.url ?? "").split("?", 1)[0] ?? "",
      status,
      ms: Date.now() - startedAt,
      ...(fault === undefined ? {} : { fault }),
    });
  }
}

async function listen(server: Server, { socket_path: path, is_open: isOpen }: KeeperBootstrap): Promise<void> {
  rmSync(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  chmodSync(path, isOpen ? 0o666 : 0o600);
}

/** Open connections that say: somebody still needs the keeper. */
function leaseBook() {
  let count = 0;
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let timer = setTimeout(end, firstLeaseMs);
  return {
    ended,
    take(incoming: IncomingMessage, outgoing: ServerResponse, lease: string): void {
      const [given, wanted] = [Buffer.from(incoming.headers.authorization ?? ""), Buffer.from(`Bearer ${lease}`)];
      if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
        outgoing.writeHead(401).end();
        return;
      }
      // Who only watches wants to hear of our end, and does not put it off.
      const isWatcher = incoming.headers["agentruntime-watch"] !== undefined;
      outgoing.writeHead(200);
      outgoing.flushHeaders();
      if (isWatcher) return;
      count += 1;
      clearTimeout(timer);
      outgoing.on("close", () => {
        count -= 1;
        if (count === 0) timer = setTimeout(end, nextLeaseMs);
      });
    },
  };
}
