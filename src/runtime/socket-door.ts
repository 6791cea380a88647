/** A Unix socket in a folder that somebody else may write to. */
import { close, constants, fstatSync, openSync } from "node:fs";
import { connect } from "node:net";
import type { Duplex } from "node:stream";

/** From Linux' fcntl.h: a handle on the file itself, whatever it is. Node has no name for it. */
const pathOnly = 0o10000000;

/**
 * Connects to the socket that lies there, and to nothing else: a link in its place, which the host would follow, is
 * refused. What is looked at is what is connected to.
 */
export async function connectToSocket(path: string): Promise<Duplex> {
  if (process.platform !== "linux") return connected(path);
  const handle = openSync(path, pathOnly | constants.O_NOFOLLOW);
  try {
    if (!fstatSync(handle).isSocket()) throw new Error(`"${path}" is not a socket`);
    return await connected(`/proc/self/fd/${handle}`);
  } finally {
    close(handle);
  }
}

function connected(path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}
