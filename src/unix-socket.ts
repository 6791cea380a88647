/** The place of a Unix socket: free of what a dead daemon left there, and afterwards for one user only. */
import { once } from "node:events";
import { chmod, lstat, rm } from "node:fs/promises";
import { connect } from "node:net";
import { AgentdError, errnoOf } from "./protocol/error.ts";

/** Paths of Unix sockets end there. */
const pathBytesMax = 107;

/** Throws when somebody listens there, or when something else than a socket is there. */
export async function clearSocketPath(path: string): Promise<void> {
  const refuse = (what: string) =>
    new AgentdError("internal", `Cannot listen on "${path}": ${what}. Choose another with --listen unix:PATH`);
  if (Buffer.byteLength(path) > pathBytesMax) throw refuse(`it is longer than ${pathBytesMax} bytes`);
  const found = await lstat(path).catch((error: unknown) => {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) throw refuse("something is there that is no socket");
  if (await isAnswered(path)) throw refuse("another program does");
  await rm(path, { force: true });
}

/** Nobody else may open it. It was made under a mask that says so: this holds where the mask is not heeded. */
export async function closeToOthers(path: string): Promise<void> {
  await chmod(path, 0o600);
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    // Anything else than nobody's is somebody's.
    return errnoOf(error) !== "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}
