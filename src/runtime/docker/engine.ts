/** The Docker engine: how it is reached, and what its refusals mean for whoever asked. */
import Docker from "dockerode";
import { AgentdError, errnoOf, messageOf } from "../../protocol/error.ts";
import { withDeadlines } from "./deadlines.ts";
import { type EngineAddress, isRemote } from "./engine-address.ts";
import { adviceFor, EngineAway } from "./engine-away.ts";
import { connectionTo } from "./engine-connection.ts";
import { refusedSocket } from "./socket-access.ts";

export type Engine = Docker;

/** Throws `runtime_unavailable` with what to do when no engine answers there. */
export async function openEngine(address: EngineAddress): Promise<Engine> {
  const { host } = address;
  const engine = withDeadlines(new Docker(connectionTo(address)), address);
  try {
    const { Os, ApiVersion } = await engine.version();
    if (Os !== "linux")
      throw new AgentdError(
        "runtime_unavailable",
        `Cannot use the Docker engine at "${host}": it runs ${Os} containers (API ${ApiVersion}), agents need Linux ones. Switch it over`,
      );
  } catch (error) {
    throw isRemote(address) ? remoteFault(error, address) : engineFault(error, `reach the Docker engine at "${host}"`);
  }
  return engine;
}

function remoteFault(error: unknown, address: EngineAddress): AgentdError {
  if (error instanceof AgentdError) return error;
  const { found, advice } =
    error instanceof EngineAway ? error : { found: messageOf(error), advice: adviceFor(address) };
  return new AgentdError(
    "runtime_unavailable",
    `Cannot reach the Docker engine at "${address.host}": ${found}. ${advice}`,
    { cause: error },
  );
}

/** The status of an answer of the engine's. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("statusCode" in error)) return undefined;
  return typeof error.statusCode === "number" ? error.statusCode : undefined;
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** What the engine answered, made into an error that says what to do. `act` is what was attempted. */
export function engineFault(error: unknown, act: string): AgentdError {
  if (error instanceof AgentdError) return error;
  const said = messageOf(error);
  if (error instanceof EngineAway)
    return new AgentdError("runtime_unavailable", `Cannot ${act}: ${said}`, { cause: error });
  const fault = (code: "runtime_unavailable" | "launch_failed" | "disk_full", advice: string) =>
    new AgentdError(code, `Cannot ${act}: ${advice}`, { cause: error });
  switch (errnoOf(error)) {
    case "ENOENT":
      return fault(
        "runtime_unavailable",
        "there is no such socket. Install Docker Engine and start it (systemctl start docker, or dockerd), or name its socket in docker.host or DOCKER_HOST",
      );
    case "ECONNREFUSED":
    case "ECONNRESET":
    case "EPIPE":
      return fault(
        "runtime_unavailable",
        "nobody answers on its socket. Start Docker (systemctl start docker, or dockerd)",
      );
    case "EACCES":
      return fault("runtime_unavailable", refusedSocket(addressOf(error)));
    default:
      break;
  }
  if (/no space left on device|disk quota exceeded/i.test(said))
    return fault("disk_full", `the engine's disk is full (${said}). Make room: docker system prune shows what may go`);
  const image = /no such image: ([^\s"]+)/i.exec(said)?.[1];
  if (image !== undefined) return missingImage(image, act);
  if (/exec format error/i.test(said))
    return fault("launch_failed", "its image was built for another processor. Build it here: agentd images build");
  return fault("launch_failed", `the Docker engine said: ${said}`);
}

/** Of the socket that a connection was refused at. */
function addressOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("address" in error)) return undefined;
  return typeof error.address === "string" ? error.address : undefined;
}

export function missingImage(image: string, act: string): AgentdError {
  return new AgentdError(
    "runtime_unavailable",
    `Cannot ${act}: the engine has no image "${image}". Run "agentd images build", or "docker pull ${image}" if it is one of yours`,
  );
}
