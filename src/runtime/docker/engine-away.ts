/** An engine that cannot be reached, or does not answer: what was found, and what to do about it. */
import { AgentdError, errnoOf, messageOf } from "../../protocol/error.ts";
import { type EngineAddress, isRemote } from "./engine-address.ts";
import { SshFault } from "./ssh-agent.ts";

/** Nothing is known of what the call came to. */
export class EngineAway extends Error {
  readonly found: string;
  readonly advice: string;

  constructor({ host, found, advice }: { host: string; found: string; advice: string }, cause?: unknown) {
    super(`the Docker engine at "${host}" is away: ${found}. ${advice}`, { cause });
    this.name = "EngineAway";
    this.found = found;
    this.advice = advice;
  }
}

/** Of connections that were not made, or broke. What else goes wrong on the way is the engine's answer, or ours. */
const networkErrors = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** An error of the way to an engine on another machine as such; any other error stays what it is. */
export function awayIf(error: Error, address: EngineAddress): Error {
  const isOfTheWay = error instanceof SshFault || networkErrors.has(errnoOf(error) ?? "");
  if (!isOfTheWay || !isRemote(address)) return error;
  return new EngineAway({ host: address.host, found: messageOf(error), advice: adviceFor(address) }, error);
}

export function silent(address: EngineAddress, seconds: number): EngineAway {
  const { host } = address;
  const advice = isRemote(address)
    ? adviceFor(address)
    : 'See whether "docker info" answers. If not, start the engine again (systemctl restart docker)';
  return new EngineAway({ host, found: `it did not answer within ${seconds} s`, advice });
}

/** What is said of a socket of this machine would lead astray. */
export function adviceFor({ host, certificates }: EngineAddress): string {
  if (host.startsWith("ssh://"))
    return `Try "ssh -o BatchMode=yes ${host} docker version" as this user: it must ask for nothing, and the docker command must be there`;
  return `See that it listens there (dockerd -H tcp://0.0.0.0:2376 --tlsverify), and that it and the certificates in "${certificates}" are of one authority`;
}

/** It failed because no engine answered: the same may go well when one does. */
export function isAway(error: unknown): boolean {
  if (error instanceof EngineAway) return true;
  if (error instanceof AgentdError && error.code === "runtime_unavailable") return true;
  return error instanceof Error && error.cause !== undefined && isAway(error.cause);
}
