/**
 * The agent's way to its model when somebody else holds the key: a loopback port whose bytes go to and from the keeper's
 * socket, unread. While the sidecar lives it holds the keeper's lease.
 */
import { request } from "node:http";
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import { leasePath, type ModelDoor } from "../src/protocol/model-door.ts";
import { openPassage } from "./passage.ts";

/** A keeper that died is started again by the daemon; until then the lease is asked for so often. */
const leaseRetryMs = 250;

/** Opens the door, if there is to be one, and tells the agent its address. */
export async function withModelDoor(bootstrap: Bootstrap): Promise<Bootstrap> {
  const { model_door: door, agent } = bootstrap;
  if (!door) return bootstrap;
  const env = { ...agent.env, [door.url_variable]: await openDoor(door) };
  return { ...bootstrap, agent: { ...agent, env } };
}

async function openDoor(door: ModelDoor): Promise<string> {
  const port = await openPassage({ port: 0, socketPath: door.socket_path });
  holdLease(door);
  return `http://127.0.0.1:${port}${door.path}`;
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
