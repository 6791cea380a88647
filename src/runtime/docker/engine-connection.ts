/** The way to an engine: a socket of this machine, or TLS or ssh to another one. */
import { readFileSync } from "node:fs";
import type { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { join } from "node:path";
import type Docker from "dockerode";
import { AgentdError, messageOf } from "../../protocol/error.ts";
import type { EngineAddress } from "./engine-address.ts";
import { SshAgent } from "./ssh-agent.ts";

/** Its types leave out the agent. @internal */
type Connection = Docker.DockerOptions & { agent?: Agent };

/** What dockerode needs to know. Throws `runtime_unavailable` for an address that is none, or not a safe one. @internal */
export function connectionTo(address: EngineAddress): Connection {
  const { host, environment } = address;
  // Undefined keeps dockerode from what the environment says.
  if (host.startsWith("unix://")) return local(host.slice("unix://".length));
  if (host.startsWith("/")) return local(host);
  const url = URL.canParse(host) ? new URL(host) : undefined;
  if (url?.protocol === "tcp:" && url.hostname !== "") return overTls(url, address);
  if (url?.protocol === "ssh:" && url.hostname !== "")
    return { ...withoutCertificates, protocol: "http", host: "engine", agent: new SshAgent(url, environment) };
  throw refused(
    host,
    "expected unix:///PATH for an engine on this machine, tcp://HOST:PORT or ssh://USER@HOST for one on another, in docker.host, --docker-host or DOCKER_HOST",
  );
}

/** After so much silence the kernel asks whether the other side is still there, and breaks the connection when it is not. */
const aliveMs = 15_000;
/** A connection that nobody uses is kept so long for the next call, as Node's own agent does it. */
const unusedMs = 5_000;

const withoutCertificates = { ca: undefined, cert: undefined, key: undefined };

function local(socketPath: string): Connection {
  return { ...withoutCertificates, socketPath, host: undefined, protocol: "http" };
}

/** Never without certificates: whoever reaches an open port of an engine is root of its machine. */
function overTls({ hostname, port }: URL, { host, certificates }: EngineAddress): Connection {
  if (certificates === undefined)
    throw refused(
      host,
      "an engine on another machine is spoken to by TLS with certificates of both sides only. Name the folder with ca.pem, cert.pem and key.pem in docker.cert_path or DOCKER_CERT_PATH",
    );
  const read = (name: string) => {
    try {
      return readFileSync(join(certificates, name));
    } catch (error) {
      throw refused(host, `${messageOf(error)}. Put ca.pem, cert.pem and key.pem into "${certificates}"`, error);
    }
  };
  return {
    protocol: "https",
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || 2376),
    ca: read("ca.pem"),
    cert: read("cert.pem"),
    key: read("key.pem"),
    agent: new TlsAgent({ keepAlive: true, keepAliveMsecs: aliveMs, timeout: unusedMs, scheduling: "lifo" }),
  };
}

function refused(host: string, found: string, cause?: unknown): AgentdError {
  return new AgentdError("runtime_unavailable", `Cannot use the Docker engine at "${host}": ${found}`, { cause });
}
