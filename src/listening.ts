/** Where a daemon is reached: a port, or a Unix socket. */
import type { Server } from "./api/server.ts";
import { agentdAt } from "./client/agentd-at.ts";
import type { Config } from "./config.ts";
import { AgentdError, errnoOf, messageOf } from "./protocol/error.ts";
import { clearSocketPath, closeToOthers } from "./unix-socket.ts";

/** The address that others find it by. Throws a sentence that says what is in the way, and what to do. */
export async function listen(server: Server, { listen: { host, port, socket } }: Config): Promise<string> {
  return socket === undefined ? listenOnPort(server, { host, port }) : listenOnSocket(server, socket);
}

async function listenOnSocket({ app }: Server, path: string): Promise<string> {
  try {
    await clearSocketPath(path);
    await app.listen({ path });
    await closeToOthers(path);
    return `unix:${path}`;
  } catch (error) {
    await app.close();
    if (error instanceof AgentdError) throw error;
    throw new AgentdError("internal", `Cannot listen on "${path}": ${messageOf(error)}. Choose another path`, {
      cause: error,
    });
  }
}

async function listenOnPort({ app }: Server, { host, port }: { host: string; port: number }): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw new AgentdError("internal", `Cannot listen on ${host}:${port}: ${await listenFault(error, { host, port })}`, {
      cause: error,
    });
  }
  const address = app.server.address();
  const bound = typeof address === "object" && address ? address.port : port;
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${bound}`;
}

/** How long the start waits for what listens there to say what it is. */
const healthMsMax = 1000;

/** What is in the way, and what to do. */
async function listenFault(error: unknown, { host, port }: { host: string; port: number }): Promise<string> {
  switch (errnoOf(error)) {
    case "EADDRINUSE":
      return portFault(port, await agentdAt({ host, port }, AbortSignal.timeout(healthMsMax)));
    case "EACCES":
      return "this user may not. Choose a port above 1023 with --port";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no address is known for that name. Choose an address of this machine with --host";
    case "EADDRNOTAVAIL":
      return "it is no address of this machine. Choose one that is with --host";
    default:
      return `${messageOf(error)}. Choose another address with --host and --port`;
  }
}

/** That of this data dir was found by the lock: it is another one's. */
function portFault(port: number, version: string | undefined): string {
  const another = "another with --port, or --port 0 for any free one";
  if (version === undefined) return `another program does. Choose ${another}`;
  return `an agentd, version ${version}, of another data dir does. Ask it with --port ${port} and its token in AGENTD_TOKEN, or choose ${another}`;
}
