/** A loopback port of the agent's whose bytes go to and from a Unix socket, unread. */
import { type AddressInfo, connect, createServer } from "node:net";
import { joinSockets } from "../src/process/join-sockets.ts";

/** An agent has a few connections at once; this is far beyond. */
const connectionsMax = 256;

/** Resolves with the port; 0 takes any. It does not keep the sidecar alive. */
export async function openPassage({ port, socketPath }: { port: number; socketPath: string }): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (agent) =>
    joinSockets(agent, connect({ path: socketPath, allowHalfOpen: true })),
  );
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    // Also of what comes later, which is of one connection only.
    server.on("error", reject);
    server.listen({ host: "127.0.0.1", port }, resolve);
  });
  server.unref();
  return (server.address() as AddressInfo).port;
}
