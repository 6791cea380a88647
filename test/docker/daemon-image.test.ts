/** The daemon in a container of its own, by the compose file that is handed on: what its restart ends, and what not. */
import { chown, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { expect, onTestFinished, test } from "vitest";
import { ClientSocket } from "../support/client-socket.ts";
import { dockerHost, engine } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { requests, runCli } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const compose = fileURLToPath(new URL("../../docker/compose.yaml", import.meta.url));
const image = "agentd-test-daemon:latest";
const owner = 1000;
const deadlineMs = 240_000;

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

async function isolated() {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const [data, projects] = [join(folder.path, "data"), join(folder.path, "projects")];
  for (const path of [data, projects, join(projects, "one")]) {
    await mkdir(path, { mode: 0o700 });
    await chown(path, owner, owner);
  }
  const agents = { sh: { command: "bash", harness: "generic" } };
  await writeFile(join(data, "config.json"), JSON.stringify({ runtime: "docker", agents, docker: { memory: "256m" } }));
  const port = await freePort();
  const socket = dockerHost.replace("unix://", "");
  const env = {
    DOCKER_HOST: dockerHost,
    AGENTD_IMAGE: image,
    AGENTD_NAME: `agentd-test-${port}`,
    AGENTD_PORT: String(port),
    AGENTD_DATA: data,
    AGENTD_PROJECTS: projects,
    DOCKER_SOCKET: socket,
    DOCKER_GID: String((await stat(socket)).gid),
  };
  const [program, ...first] = await composeProgram();
  const run = (...args: string[]) =>
    execa(program, [...first, "-f", compose, "-p", env.AGENTD_NAME, ...args], { env, stdin: "ignore" });
  onTestFinished(async () => {
    await run("down");
    for (const id of await containersOf(data)) await engine.getContainer(id).remove({ force: true });
    for (const { Id } of await engine.listNetworks({ filters: labelled(data) })) await engine.getNetwork(Id).remove();
  });
  return { data, projects, port, name: env.AGENTD_NAME, run };
}

const labelled = (data: string) => ({ label: [`agentruntime.data_dir=${data}`] });

/** Of sessions and proxy: the daemon's own container has no such label. */
async function containersOf(data: string): Promise<string[]> {
  return (await engine.listContainers({ all: true, filters: labelled(data) })).map(({ Id }) => Id).sort();
}

/** By what the image itself looks at. */
function healthy(name: string): Promise<unknown> {
  return eventually(
    async () => (await engine.getContainer(name).inspect()).State.Health?.Status === "healthy" || undefined,
    { deadlineMs: 60_000, everyMs: 200, what: "the daemon's health" },
  );
}

/** What it printed on stdout. */
async function readExec(exec: Awaited<ReturnType<ReturnType<typeof engine.getContainer>["exec"]>>): Promise<string> {
  const stream = await exec.start({ hijack: false, stdin: false });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("utf8");
}

test(
  "compose starts it without root; its sessions are containers beside it, which go on while it is replaced",
  async () => {
    const built = await runCli(["images", "build", "daemon", "--daemon-base", "agentruntime-base:node"], {
      DOCKER_HOST: dockerHost,
    });
    expect([built.exitCode, built.stdout.split("\n").at(-1)]).toEqual([0, expect.stringContaining("is there")]);
    await engine.getImage("agentruntime-daemon:latest").tag({ repo: "agentd-test-daemon", tag: "latest" });
    onTestFinished(() => engine.getImage(image).remove());

    const { data, projects, port, name, run } = await isolated();
    await run("up", "-d");
    await healthy(name);
    const before = await engine.getContainer(name).inspect();
    expect(before.Config.User).toBe(`${owner}:${owner}`);
    const token = (await readFile(join(data, "token"), "utf8")).trim();
    expect((await stat(join(data, "token"))).uid).toBe(owner);

    const url = `http://127.0.0.1:${port}`;
    const api = requests(url, token);
    expect((await requests(url, "").get("/sessions")).status).toBe(401);
    const work_dir = join(projects, "one");
    const prompt = "touch begun; until [ -e go-on ]; do sleep 0.1; done; echo went on; touch done";
    const created = await api.post("/sessions", { agent: "sh", prompt, work_dir });
    expect([created.status, created.body.error]).toEqual([201, undefined]);
    const id = String(created.body.session_id);
    await eventually(async () => (await readdir(work_dir)).includes("begun"), { deadlineMs: 30_000 });
    // The image has this folder too; the engine would mount the machine's.
    const elsewhere = await api.post("/sessions", { agent: "sh", prompt: "true", work_dir: "/var/tmp" });
    expect([elsewhere.status, elsewhere.body.error]).toEqual([400, "invalid_work_dir"]);
    expect(elsewhere.body.message).toContain("mounted into the daemon's container");
    // Its own folder is one that the engine sees.
    const probed = await engine.getContainer(name).exec({
      Cmd: ["agentd", "doctor", "sh", "--probe", "--json"],
      AttachStdout: true,
    });
    const said = await readExec(probed);
    expect(said).toContain('"check": "privileges"');
    expect(said).not.toContain('"check": "isolation"');
    expect((await readdir(data)).filter((path) => path.startsWith("doctor-"))).toEqual([]);
    const containers = await containersOf(data);
    expect(containers.length).toBeGreaterThanOrEqual(2);

    // As an upgrade does it: another container of the same settings.
    await run("up", "-d", "--force-recreate");
    await healthy(name);
    expect((await engine.getContainer(name).inspect()).Id).not.toBe(before.Id);
    expect(await containersOf(data)).toEqual(containers);
    // So a session is called that a daemon has taken over.
    expect((await api.get(`/sessions/${id}`)).body).toMatchObject({ status: "orphaned", work_dir });

    const socket = await ClientSocket.open(`${url.replace("http", "ws")}/ws/sessions/${id}?since=0`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await writeFile(join(work_dir, "go-on"), "");
    expect(await socket.event(({ type }) => type === "exit")).toMatchObject({ data: { code: 0 } });
    expect(socket.events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"])).toEqual(["went on"]);
    expect((await stat(join(work_dir, "done"))).uid).toBe(owner);
    await socket.close();
  },
  deadlineMs,
);
