/** How the daemon's own requests for sessions leave this machine: to models, for agents with a hidden key, and to renew logins. */
import { readFile } from "node:fs/promises";
import type { Config } from "../config.ts";
import type { Outwards } from "../keeper/outwards.ts";
import { AgentdError, messageOf } from "../protocol/error.ts";

/** What is on this machine is not asked for by a proxy of the network. */
const local = ["localhost", "127.0.0.1", "[::1]"];

/** Rejects with `launch_failed` when a file of authorities cannot be read. */
export async function outwardsOf({ environment, egress, docker, extraAuthorities }: Config): Promise<Outwards> {
  const either = (name: string) => environment[name.toLowerCase()] ?? environment[name];
  const { upstream_proxy: upstream } = egress;
  const none = either("NO_PROXY");
  return {
    proxy:
      upstream === undefined
        ? { http: either("HTTP_PROXY"), https: either("HTTPS_PROXY"), none }
        : { http: upstream, https: upstream, none: [...local, ...(none ? [none] : [])].join(",") },
    authorities: [
      ...(await textOf("NODE_EXTRA_CA_CERTS", environment["NODE_EXTRA_CA_CERTS"])),
      ...(await textOf("docker.ca_file", docker.ca_file)),
      extraAuthorities,
    ].join(""),
  };
}

async function textOf(setting: string, path: string | undefined): Promise<string[]> {
  if (!path) return [];
  try {
    return [`${await readFile(path, "utf8")}\n`];
  } catch (error) {
    throw new AgentdError(
      "launch_failed",
      `Cannot read the authorities in "${path}" (${setting}): ${messageOf(error)}. Name a file that is there, or unset it`,
      { cause: error },
    );
  }
}
