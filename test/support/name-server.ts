/** A name server among the public servers of a world: it knows every name, and says what it was asked. */
import { fileURLToPath } from "node:url";
import { withoutFrames } from "../../src/runtime/docker/log-follower.ts";
import { type DockerWorld, engine, frontAddress, testLabel } from "./docker-world.ts";
import { eventually } from "./eventually.ts";

const program = fileURLToPath(new URL("../fixtures/docker/dns.mjs", import.meta.url));
export const nameServer = "198.51.100.53";

/** What it says of which name stands in its program: some are at the private address later. It ends with the world. */
export async function startNameServer(world: DockerWorld, inside = "10.0.0.1"): Promise<{ said(): Promise<string> }> {
  const container = await engine.createContainer({
    name: `${world.network}-dns`,
    Image: "agentruntime-agent:latest",
    Labels: testLabel,
    User: "0:0",
    Entrypoint: ["node", "/dns.mjs", frontAddress, inside],
    HostConfig: { NetworkMode: world.network, Init: true, Binds: [`${program}:/dns.mjs:ro`] },
    NetworkingConfig: { EndpointsConfig: { [world.network]: { IPAMConfig: { IPv4Address: nameServer } } } },
  });
  await container.start();
  const said = async () =>
    withoutFrames(await container.logs({ stdout: true, stderr: true, follow: false })).toString("utf8");
  await eventually(async () => (await said()).includes("ready"), { what: "the start of the name server" });
  return { said };
}
