/** What the configuration lets sessions in containers reach, and whether the way there is open. */
import { connect } from "node:net";
import { errnoOf, messageOf } from "../protocol/error.ts";
import { isLoopback } from "../protocol/loopback.ts";
import { type Check, finding } from "./finding.ts";

const answerMsMax = 3000;

export const checkEgress: Check = async ({ config }) => {
  if (!config?.runtimes.includes("docker")) return [];
  const { mode, allow, permit, upstream_proxy: upstream } = config.egress;
  const names = `their model's hosts, ${allow.length} names besides, and ${permit.length} that requests may add`;
  const policy =
    mode === "enforce"
      ? finding("docker", "egress", "ok", names)
      : finding(
          "docker",
          "egress",
          "warning",
          "any name: egress.mode is audit, which reports what is on no list and lets it pass",
          'Set egress.mode to "enforce" once "agentd egress log" has shown what sessions need',
        );
  if (upstream === undefined) return [policy];
  // It is the proxy's container that goes there.
  const { hostname } = new URL(upstream);
  const upstreamFinding = (state: "note" | "wrong", found: string, advice?: string) => [
    policy,
    finding("docker", "upstream proxy", state, found, advice),
  ];
  if (isLoopback(hostname))
    return upstreamFinding(
      "wrong",
      `${hostname} is the container that the egress proxy is in, not this machine`,
      "Name it in egress.upstream_proxy by an address that containers of this machine reach",
    );
  if (config.docker.egress_network !== undefined)
    return upstreamFinding("note", `not tried: ${hostname} is reached from docker.egress_network`);
  const fault = await connectFault(new URL(upstream));
  const { host } = new URL(upstream);
  if (fault === undefined) return [policy, finding("docker", "upstream proxy", "ok", `${host} takes connections`)];
  return upstreamFinding(
    "wrong",
    `${host} cannot be reached from here: ${fault}`,
    "Mend egress.upstream_proxy, or start that proxy: without it no session reaches its model",
  );
};

function connectFault({ protocol, hostname, port }: URL): Promise<string | undefined> {
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect({ host, port: Number(port) || (protocol === "https:" ? 443 : 80), timeout: answerMsMax });
    const settle = (fault: string | undefined) => {
      socket.destroy();
      resolve(fault);
    };
    socket.once("connect", () => settle(undefined));
    socket.once("timeout", () => settle(`no answer within ${answerMsMax / 1000} s`));
    socket.once("error", (error) => settle(errnoOf(error) ?? messageOf(error)));
  });
}
