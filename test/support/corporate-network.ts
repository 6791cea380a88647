/**
 * A network as companies have it, around the little internet of containers: who is on it finds no name of the outside and
 * reaches nothing there but by a proxy that wants a password.
 */
import { fileURLToPath } from "node:url";
import * as z from "zod";
import { type DockerWorld, engine, testLabel } from "./docker-world.ts";
import { eventually } from "./eventually.ts";

export interface CorporateNetwork {
  /** For `docker.egress_network`. */
  name: string;
  /** For `egress.upstream_proxy`; this machine reaches it too. */
  proxyUrl: string;
  password: string;
  /** The first line of each request, and what was answered. */
  requests(): Promise<{ line: string; status: number }[]>;
  remove(): Promise<void>;
}

/** The second range that the internet keeps for documents. */
const range = "203.0.113.0/24";
const program = fileURLToPath(new URL("../fixtures/docker/corporate-proxy.mjs", import.meta.url));
const Line = z.object({ line: z.string(), status: z.number() });
/** With what a URL and a configuration of squid's have a meaning for. */
const [user, password] = ["an employee", "p@ss:w%rd#1 $x"];

/** `refused` are names that the proxy lets nobody reach. */
export async function startCorporateNetwork(
  world: DockerWorld,
  { refused = [] }: { refused?: readonly string[] } = {},
): Promise<CorporateNetwork> {
  const name = `${world.network}-office`;
  await engine.createNetwork({
    Name: name,
    Labels: testLabel,
    IPAM: { Driver: "default", Config: [{ Subnet: range }] },
  });
  const container = await engine.createContainer({
    name: `${name}-proxy`,
    Image: "agentruntime-agent:latest",
    Labels: testLabel,
    User: "0:0",
    Entrypoint: ["node", "/proxy.mjs", `${user}:${password}`, ...refused],
    HostConfig: { NetworkMode: name, Binds: [`${program}:/proxy.mjs:ro`] },
  });
  await engine.getNetwork(world.network).connect({ Container: container.id });
  await container.start();
  const said = async () => (await container.logs({ stdout: true, stderr: true, follow: false })).toString("latin1");
  await eventually(async () => (await said()).includes("ready"), { what: "the start of the corporate proxy" });
  const { NetworkSettings } = await container.inspect();
  const address = NetworkSettings.Networks[name]?.IPAddress;
  return {
    name,
    proxyUrl: `http://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${address}:3128`,
    password,
    requests: async () => [...(await said()).matchAll(/\{"line".*\}/g)].map(([json]) => Line.parse(JSON.parse(json))),
    remove: async () => {
      await container.remove({ force: true });
      await engine.getNetwork(name).remove();
    },
  };
}
