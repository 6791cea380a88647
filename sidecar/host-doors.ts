/** The agent's ways to single services outside of its container: a loopback port for each. */
import type { Bootstrap } from "../src/protocol/bootstrap.ts";
import { messageOf } from "../src/protocol/error.ts";
import { openPassage } from "./passage.ts";

/** Rejects with one sentence when a port is taken. */
export async function openHostDoors({ host_doors = [] }: Bootstrap): Promise<void> {
  for (const { port, socket_path } of host_doors) {
    try {
      await openPassage({ port, socketPath: socket_path });
    } catch (error) {
      throw new Error(`Cannot open port ${port} for a service of the host: ${messageOf(error)}`, { cause: error });
    }
  }
}
