/** A daemon in a container of its own, by the compose file that is handed on. */
import { chown, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, onTestFinished } from "vitest";
import { ClientSocket } from "./client-socket.ts";
import { dockerHost, engine } from "./docker-world.ts";
import { eventually } from "./eventually.ts";
import { requests, runCli } from "./start-daemon.ts";
import { tempDir } from "./temp-dir.ts";

const compose = fileURLToPath(new URL("../../docker/compose.yaml", import.meta.url));
const image = "agentd-test-daemon:latest";
/** Whose data dir and projects are, and whom the daemon and its sessions run as. */
export const owner = 1000;

/** Under a name of the tests'; it goes with `removeDaemonImage`. */
export async function buildDaemonImage(): Promise<void> {
  const built = await runCli(["images", "build", "daemon", "--daemon-base", "agentruntime-base:node"], {
    DOCKER_HOST: dockerHost,
  });
  expect([built.exitCode, built.stdout.split("\n").at(-1)]).toEqual([0, expect.stringContaining("is there")]);
  await engine.getImage("agentruntime-daemon:latest").tag({ repo: "agentd-test-daemon", tag: "latest" });
}

export function removeDaemonImage(): Promise<unknown> {
  return engine.getImage(image).remove();
}

/** The address of this machine that containers see. */
export async function machineAddress(): Promise<string> {
  const { IPAM } = (await engine.getNetwork("bridge").inspect()) as { IPAM: { Config: { Gateway?: string }[] } };
  const address = IPAM.Config[0]?.Gateway;
  if (address === undefined) throw new Error("the engine's own network has no gateway");
  return address;
}

export interface DaemonContainerOptions {
  /** Its configuration file. */
  config: Record<string, unknown>;
  /** For compose. */
  env?: Record<string, string>;
  /** Of another compose file, which is joined with ours: what stands below `services.agentd`. */
  more?: Record<string, unknown>;
  /** Called with the data dir before the daemon starts. */
  prepare?(data: string): Promise<void>;
}

export interface DaemonContainer {
  data: string;
  projects: string;
  url: string;
  /** Of its container. */
  name: string;
  /** Starts it, or another one in its place, and resolves when it is well. */
  up(...args: string[]): Promise<void>;
  token(): Promise<string>;
  api(): Promise<ReturnType<typeof requests>>;
  ws(sessionId: string): Promise<ClientSocket>;
  /** Of its sessions and their proxy: its own container is not among them. */
  containers(): Promise<string[]>;
}

/** It is removed with all that it made when the test is over. */
export async function daemonContainer(options: DaemonContainerOptions): Promise<DaemonContainer> {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const at = (name: string) => join(folder.path, name);
  const [data, projects, more] = [at("data"), at("projects"), at("more.json")];
  for (const path of [data, projects, join(projects, "one")]) {
    await mkdir(path, { mode: 0o700 });
    await chown(path, owner, owner);
  }
  await writeFile(join(data, "config.json"), JSON.stringify({ runtime: "docker", ...options.config }));
  await writeFile(more, JSON.stringify({ services: { agentd: options.more ?? {} } }));
  await options.prepare?.(data);
  const port = await freePort();
  const socket = dockerHost.replace("unix://", "");
  const name = `agentd-test-${port}`;
  const env = {
    DOCKER_HOST: dockerHost,
    AGENTD_IMAGE: image,
    AGENTD_NAME: name,
    AGENTD_PORT: String(port),
    AGENTD_DATA: data,
    AGENTD_PROJECTS: projects,
    DOCKER_SOCKET: socket,
    DOCKER_GID: String((await stat(socket)).gid),
    ...options.env,
  };
  const [program, ...first] = await composeProgram();
  const run = (...args: string[]) =>
    execa(program, [...first, "-f", compose, "-f", more, "-p", name, ...args], { env, stdin: "ignore" });
  const filters = { label: [`agentruntime.data_dir=${data}`] };
  const containers = async () => (await engine.listContainers({ all: true, filters })).map(({ Id }) => Id).sort();
  onTestFinished(async () => {
    await run("down");
    for (const id of await containers()) await engine.getContainer(id).remove({ force: true });
    for (const { Id } of await engine.listNetworks({ filters })) await engine.getNetwork(Id).remove();
    const { Volumes } = await engine.listVolumes({ filters });
    for (const { Name } of Volumes ?? []) await engine.getVolume(Name).remove();
  });
  const url = `http://127.0.0.1:${port}`;
  const token = async () => (await readFile(join(data, "token"), "utf8")).trim();
  return {
    data,
    projects,
    url,
    name,
    up: async (...args) => {
      await run("up", "-d", ...args);
      await healthy(name);
    },
    token,
    api: async () => requests(url, await token()),
    ws: async (sessionId) =>
      ClientSocket.open(`${url.replace("http", "ws")}/ws/sessions/${sessionId}?since=0`, {
        headers: { authorization: `Bearer ${await token()}` },
      }),
    containers,
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

/** `docker compose` is a plugin that not every machine has; Debian's own is a program. */
async function composeProgram(): Promise<[string, ...string[]]> {
  const plugin = await execa("docker", ["compose", "version"], { reject: false });
  return plugin.exitCode === 0 ? ["docker", "compose"] : ["docker-compose"];
}

/** By what the image itself looks at. */
async function healthy(name: string): Promise<void> {
  const isHealthy = async () =>
    (await engine.getContainer(name).inspect()).State.Health?.Status === "healthy" || undefined;
  await eventually(isHealthy, { deadlineMs: 60_000, everyMs: 200, what: "the daemon's health" }).catch(
    async (cause: unknown) => {
      const said = await engine.getContainer(name).logs({ stdout: true, stderr: true, tail: 20, follow: false });
      throw new Error(`The daemon in a container is not well: ${said.toString("latin1")}`, { cause });
    },
  );
}
