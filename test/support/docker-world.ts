/**
 * A little internet for containers: a network of public addresses on which names are answered by one TLS server, which
 * hands those of models to the scripted ones on this machine. Nothing of it leaves the machine.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, open, readFile, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Docker from "dockerode";
import { execa } from "execa";
import { eventually } from "./eventually.ts";
import { tempDir } from "./temp-dir.ts";

export const dockerHost = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
export const engine = new Docker({ socketPath: dockerHost.replace("unix://", "") });

/** A range that the internet keeps for documents: the proxy takes it for public, and it is nobody's. */
const publicRange = "198.51.100.0/24";
/** Of the server that answers for all names: the first address is this machine's. */
export const frontAddress = "198.51.100.2";
const frontProgram = fileURLToPath(new URL("../fixtures/docker/front.mjs", import.meta.url));

export interface DockerWorld {
  /** What a daemon's configuration needs to know of it. */
  config: { docker: Record<string, unknown> };
  /** The name's requests are answered by the service at this address of this machine. */
  serve(name: string, url: string): Promise<void>;
  network: string;
  stop(): Promise<void>;
}

/** `silent` are names at whose address nobody listens. */
export async function startDockerWorld(
  names: readonly string[],
  { silent = [] }: { silent?: readonly string[] } = {},
): Promise<DockerWorld> {
  const folder = await tempDir();
  const front = join(folder.path, "front");
  const network = `agentd-test-${randomBytes(4).toString("hex")}`;
  const servers = new Map<string, Server>();
  await mkdir(front);
  await chmod(front, 0o755);
  await makeCertificate(front, names);
  await removeLeftovers();
  await engine.createNetwork({
    Name: network,
    Labels: testLabel,
    IPAM: { Driver: "default", Config: [{ Subnet: publicRange }] },
  });
  const container = await engine.createContainer({
    name: `${network}-front`,
    Image: "agentruntime-agent:latest",
    Labels: testLabel,
    User: "0:0",
    Entrypoint: ["node", "/front.mjs"],
    HostConfig: { NetworkMode: network, Binds: [`${front}:/front`, `${frontProgram}:/front.mjs:ro`] },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [...names] } } },
  });
  await container.start();
  if (silent.length > 0) await startSilence(network, silent);
  await eventually(async () => (await container.logs({ stdout: true, follow: false })).includes("ready"), {
    what: "the start of the public servers",
  });
  return {
    network,
    config: { docker: { host: dockerHost, egress_network: network, ca_file: join(front, "ca.pem") } },
    serve: async (name, url) => {
      await closed(servers.get(name));
      const { port } = new URL(url);
      const server = createServer((client) => {
        const service = connect(Number(port), "127.0.0.1");
        client.on("error", () => service.destroy()).on("close", () => service.destroy());
        service.on("error", () => client.destroy()).on("close", () => client.destroy());
        client.pipe(service).pipe(client);
      });
      servers.set(name, server);
      await new Promise<void>((resolve) => server.listen(join(front, `${name}.sock`), resolve));
      await chmod(join(front, `${name}.sock`), 0o777);
    },
    stop: async () => {
      await removeContainers();
      await Promise.all([...servers.values()].map(closed));
      await engine.getNetwork(network).remove();
      await folder.remove();
    },
  };
}

/** Runs a script in a container of the proxy's network, which reaches what an agent must not. */
export async function outside(world: DockerWorld, script: string): Promise<string> {
  const container = await engine.createContainer({
    Image: "agentruntime-agent:latest",
    Labels: testLabel,
    Entrypoint: ["bash", "-c", script],
    HostConfig: { NetworkMode: world.network },
  });
  await container.start();
  await container.wait();
  const text = (await container.logs({ stdout: true, stderr: true, follow: false })).toString("latin1");
  await container.remove({ force: true });
  return text;
}

/** Where in a container a text is, as this machine's root sees it: environments, arguments and memory of its processes, files. */
export async function placesInContainer(containerId: string, text: string): Promise<string[]> {
  const { Processes } = (await engine.getContainer(containerId).top({ ps_args: "-eo pid" })) as {
    Processes: string[][];
  };
  const pids = Processes.map(([pid = ""]) => pid.trim());
  const found: string[] = [];
  for (const pid of pids) {
    for (const name of ["cmdline", "environ"])
      if ((await readFile(`/proc/${pid}/${name}`)).includes(text)) found.push(`${pid} ${name}`);
    if (await isInMemory(pid, text)) found.push(`${pid} memory`);
  }
  const tops = ["home", "tmp", "var/tmp", "workspace", "run", "etc"].map((top) => `/proc/${pids[0]}/root/${top}`);
  const grep = await execa("grep", ["-rlFs", "--devices=skip", "--binary-files=text", "--", text, ...tops], {
    reject: false,
  });
  return [...found, ...grep.stdout.split("\n").filter(Boolean)];
}

/** Looks at what the process has written itself: mappings that are nobody's file. */
async function isInMemory(pid: string, text: string): Promise<boolean> {
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  const memory = await open(`/proc/${pid}/mem`, "r");
  try {
    for (const [, begin = "0", end = "0"] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0 /gm)) {
      const at = Number.parseInt(begin, 16);
      const bytes = Math.min(Number.parseInt(end, 16) - at, 256 * 1024 * 1024);
      // A mapping that went away meanwhile, or that nothing was ever written to.
      const read = await memory.read(Buffer.alloc(bytes), 0, bytes, at).catch(() => undefined);
      if (read?.buffer.includes(text)) return true;
    }
    return false;
  } finally {
    await memory.close();
  }
}

export const testLabel = { "agentd-test": "1" };

const testOnly = { label: ["agentd-test=1"] };

/** A container that listens nowhere, under these names. */
async function startSilence(network: string, names: readonly string[]): Promise<void> {
  const container = await engine.createContainer({
    name: `${network}-silence`,
    Image: "agentruntime-agent:latest",
    Labels: testLabel,
    Entrypoint: ["sleep", "infinity"],
    HostConfig: { NetworkMode: network, Init: true },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [...names] } } },
  });
  await container.start();
}

async function removeContainers(): Promise<void> {
  for (const { Id } of await engine.listContainers({ all: true, filters: testOnly }))
    await engine.getContainer(Id).remove({ force: true, v: true });
}

function closed(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => (server ? server.close(() => resolve()) : resolve()));
}

/** Of a run that was cut short: the public range can be had once only. */
async function removeLeftovers(): Promise<void> {
  await removeContainers();
  for (const { Id } of await engine.listNetworks({ filters: testOnly })) {
    const network = engine.getNetwork(Id);
    const { Containers } = (await network.inspect()) as { Containers?: Record<string, unknown> };
    for (const id of Object.keys(Containers ?? {})) await engine.getContainer(id).remove({ force: true });
    await network.remove();
  }
}

/** An authority and a certificate of its: one that signs itself is refused by some agents. */
async function makeCertificate(folder: string, names: readonly string[]): Promise<void> {
  const at = (name: string) => join(folder, name);
  const openssl = (args: string, ...more: string[]) => execa("openssl", [...args.split(" "), ...more]);
  const fresh = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  await openssl(`req -x509 ${fresh} -days 30 -subj /CN=authority`, "-keyout", at("ca.key"), "-out", at("ca.pem"));
  await openssl(`req ${fresh} -subj /CN=server`, "-keyout", at("key.pem"), "-out", at("server.csr"));
  await writeFile(at("names"), `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}\n`);
  const signing = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-extfile", at("names")];
  await openssl("x509 -req -days 30 -set_serial 1", "-in", at("server.csr"), "-out", at("cert.pem"), ...signing);
  await chmod(at("ca.pem"), 0o644);
}

/** Containers that agentd made; those of one session by label, or, where the container waited for its session, by name. */
export async function agentdContainers(sessionId?: string): Promise<Docker.ContainerInfo[]> {
  const all = await engine.listContainers({ all: true, filters: { label: ["agentruntime.managed=1"] } });
  if (sessionId === undefined) return all;
  return all.filter(({ Labels, Names }) => {
    const text = `${Labels["agentruntime.daemon"]} ${sessionId}`;
    const name = `/agentruntime-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
    return Labels["agentruntime.session_id"] === sessionId || Names.includes(name);
  });
}

export async function agentdNetworks(): Promise<string[]> {
  return (await engine.listNetworks({ filters: { label: ["agentruntime.managed=1"] } })).map(({ Name }) => Name);
}
