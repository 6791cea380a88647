/**
 * The agent's way to its model when somebody else holds the key: a loopback port whose bytes go to and from the keeper's
 * socket, unread. While the sidecar lives it holds the keeper's lease.
 */
import { request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import { leasePath, type ModelDoor } from "../src/protocol/model-door.ts";

/** A keeper that died is started again by the daemon; until then the lease is asked for so often. */
const leaseRetryMs = 250;
/** An agent has a few requests under way; this is far beyond. */
const connectionsMax = 256;

/** Opens the door, if there is to be one, and tells the agent its address. */
export async function withModelDoor(bootstrap: Bootstrap): Promise<Bootstrap> {
  const { model_door: door, agent } = bootstrap;
  if (!door) return bootstrap;
  const env = { ...agent.env, [door.url_variable]: await openDoor(door) };
  return { ...bootstrap, agent: { ...agent, env } };
}

async function openDoor(door: ModelDoor): Promise<string> {
  const server = createServer({ allowHalfOpen: true }, (agent) => join(agent, connect(door.socket_path)));
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host: "127.0.0.1", port: 0 }, resolve);
  });
  server.unref();
  holdLease(door);
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}${door.path}`;
}

function join(agent: Socket, keeper: Socket): void {
  const part = () => {
    agent.destroy();
    keeper.destroy();
  };
  agent.on("error", part).on("close", part);
  keeper.on("error", part).on("close", part);
  agent.pipe(keeper).pipe(agent);
}

function holdLease(door: ModelDoor): void {
  const asking = request({
    socketPath: door.socket_path,
    path: leasePath,
    headers: { authorization: `Bearer ${door.lease}` },
  });
  asking.on("response", (answer) => answer.resume());
  asking.on("error", () => {
    // Asked for again by its close.
  });
  asking.on("close", () => setTimeout(() => holdLease(door), leaseRetryMs).unref());
  asking.end();
}
