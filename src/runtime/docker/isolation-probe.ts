/** Starts a container as a session would have it, and lets it try what no session may do. */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import type { ContainerSpec } from "../../protocol/container.ts";
import { errnoOf } from "../../protocol/error.ts";
import { type ContainerLimits, containerOptions } from "./container-options.ts";
import { type Engine, openEngine } from "./engine.ts";
import type { EngineAddress } from "./engine-address.ts";
import { withoutFrames } from "./log-follower.ts";
import { furnishedWith, type HostPlaces } from "./mounted-premises.ts";
import { Names } from "./names.ts";
import { Networks, type SessionNetwork } from "./networks.ts";
import type { Owner } from "./owner.ts";
import { thisMachine } from "./whose.ts";

export interface ProbeOptions {
  /** On this machine. */
  engine: EngineAddress;
  dataDir: string;
  image: string;
  subnets: string;
  limits: ContainerLimits;
  user: Owner;
}

/** What the container could do. */
const ProbeAnswer = z.object({
  /** Addresses of this machine at which it read our word. */
  reached: z.array(z.string()),
  resolves_names: z.boolean(),
  /** Places outside its own that it wrote to. */
  wrote: z.array(z.string()),
  sees_engine: z.boolean(),
  user: z.number(),
  capabilities: z.string(),
  may_gain_privileges: z.boolean(),
  filters_calls: z.boolean(),
});
export type ProbeAnswer = z.infer<typeof ProbeAnswer> & {
  /** Addresses at which this machine itself reads that word. */
  answering: string[];
};

const deadlineMs = 30_000;
const connectMs = 2000;

const script = `
import json, os, socket, sys
port, word, addresses = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]
def reads(address):
    try:
        with socket.create_connection((address, port), 2) as s:
            s.settimeout(2)
            return word in s.recv(99)
    except OSError:
        return False
def resolves(name):
    try:
        return bool(socket.getaddrinfo(name, 443))
    except OSError:
        return False
def writes(folder):
    try:
        path = os.path.join(folder, ".agentd-probe")
        open(path, "w").close()
        os.remove(path)
        return True
    except OSError:
        return False
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({
    "reached": [a for a in addresses if reads(a)],
    "resolves_names": resolves("example.com"),
    "wrote": [p for p in ("/", "/etc", "/usr/local/bin", "/opt/agents/bin", "/root") if writes(p)],
    "sees_engine": any(os.path.exists(p) for p in ("/var/run/docker.sock", "/run/docker.sock")),
    "user": os.getuid(),
    "capabilities": status["CapEff"],
    "may_gain_privileges": status["NoNewPrivs"] != "1",
    "filters_calls": status["Seccomp"] == "2",
}))
`;

/** Rejects when no such container can be started; leaves nothing behind. */
export async function probeIsolation(options: ProbeOptions): Promise<ProbeAnswer> {
  const engine = await openEngine(options.engine);
  const word = randomBytes(12).toString("hex");
  const folder = await makeFolder(options.dataDir);
  const names = new Names({ dataDir: folder, mark: folder, machine: thisMachine() });
  const networks = new Networks({ engine, names, range: options.subnets });
  const server = await wordServer(word);
  let network: SessionNetwork | undefined;
  try {
    network = await networks.create();
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const answering = await thoseThatAnswer(port, word);
    const places = await makePlaces(folder);
    const args = [String(port), word, ...answering, network.subnet.gateway];
    const text = await run(engine, { options, names, network, places, args });
    return { ...ProbeAnswer.parse(JSON.parse(text)), answering };
  } finally {
    server.close();
    await engine
      .getContainer(names.ofSession("probe"))
      .remove({ force: true, v: true })
      .catch(() => undefined);
    if (network) await networks.remove(network);
    await rm(folder, { recursive: true, force: true });
  }
}

interface Run {
  options: ProbeOptions;
  names: Names;
  network: SessionNetwork;
  places: HostPlaces;
  args: readonly string[];
}

async function run(engine: Engine, { options, names, network, places, args }: Run): Promise<string> {
  const { image, user, limits } = options;
  const container: ContainerSpec = { image, memory_bytes: 256 * 1024 ** 2, cpus: 1, security_opt: [], mounts: [] };
  const made = await engine.createContainer({
    ...containerOptions({
      name: names.ofSession("probe"),
      labels: names.labels("agent", "probe"),
      container,
      owner: user,
      network,
      furnished: furnishedWith(places),
      limits,
      stopSeconds: 1,
    }),
    OpenStdin: false,
    AttachStdin: false,
    Entrypoint: ["python3", "-c", script, ...args],
  });
  await made.start();
  const signal = AbortSignal.timeout(deadlineMs);
  await made.wait({ abortSignal: signal });
  const said = async (stream: "stdout" | "stderr") =>
    withoutFrames(await made.logs({ follow: false, stdout: stream === "stdout", stderr: stream === "stderr" }));
  const text = (await said("stdout")).toString("utf8").trim();
  if (text === "")
    throw new Error(`The probe's container said nothing but: ${(await said("stderr")).toString("utf8")}`);
  return text;
}

/** The engine of a daemon in a container sees its data dir, and no temporary folder. One that is not made yet is not made for this. */
async function makeFolder(dataDir: string): Promise<string> {
  try {
    return await mkdtemp(join(dataDir, "doctor-"));
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return await mkdtemp(join(tmpdir(), "agentd-doctor-"));
  }
}

/** Nothing of them is used: they are there because a session has them. */
async function makePlaces(folder: string): Promise<HostPlaces> {
  const at = (name: string) => join(folder, name);
  await chmod(folder, 0o755);
  for (const name of ["socket", "box", "home"]) await mkdir(at(name));
  for (const name of ["passwd", "group"]) await writeFile(at(name), "");
  return {
    socketDir: at("socket"),
    sidecarDir: at("box"),
    privateHome: at("home"),
    workDir: undefined,
    passwd: at("passwd"),
    group: at("group"),
    authorities: undefined,
    keeperDir: undefined,
    hostDoorsDir: undefined,
    loginDir: undefined,
  };
}

/** On all addresses of this machine, as careless services listen. */
async function wordServer(word: string): Promise<Server> {
  const server = createServer((client) => client.on("error", () => undefined).end(word));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "0.0.0.0", resolve));
  return server;
}

/** That a container does not read the word says something only where it can be read. */
async function thoseThatAnswer(port: number, word: string): Promise<string[]> {
  const all = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.flatMap(({ family, internal, address }) => (family === "IPv4" && !internal ? [address] : [])),
  );
  const answers = await Promise.all(all.map((address) => readsWord({ address, port, word })));
  return all.filter((_, index) => answers[index]);
}

function readsWord({ address, port, word }: { address: string; port: number; word: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: connectMs });
    const over = (found: boolean) => {
      socket.destroy();
      resolve(found);
    };
    socket.on("data", (chunk) => over(String(chunk).includes(word)));
    socket
      .on("error", () => over(false))
      .on("timeout", () => over(false))
      .on("end", () => over(false));
  });
}
