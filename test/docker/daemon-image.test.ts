/** The daemon in a container of its own, by the compose file that is handed on: what its restart ends, and what not. */
import { chown, copyFile, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { connect, createServer, type IpcNetConnectOpts, type ListenOptions, type TcpNetConnectOpts } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { hasResults, results, said } from "../support/claude-daemon.ts";
import {
  buildDaemonImage,
  daemonContainer,
  machineAddress,
  owner,
  removeDaemonImage,
} from "../support/daemon-container.ts";
import { textOf } from "../support/docker-shell.ts";
import { agentdContainers, dockerHost, engine, placesInContainer } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { startScriptedModel } from "../support/scripted-model.ts";
import { hasSshd, startSshServer } from "../support/ssh-server.ts";
import { requests } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const deadlineMs = 240_000;
const shell = { sh: { command: "bash", harness: "generic" } };
if (!hasSshd) console.warn("SKIPPED: the test of an engine by ssh needs sshd (apt-get install openssh-server)");

beforeAll(buildDaemonImage, deadlineMs);
afterAll(removeDaemonImage);

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
    const daemon = await daemonContainer({ config: { agents: shell, docker: { memory: "256m" } } });
    const { data, projects, name, url } = daemon;
    await daemon.up();
    const before = await engine.getContainer(name).inspect();
    expect(before.Config.User).toBe(`${owner}:${owner}`);
    expect((await stat(join(data, "token"))).uid).toBe(owner);

    const api = await daemon.api();
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
    const printed = await readExec(probed);
    expect(printed).toContain('"check": "privileges"');
    expect(printed).not.toContain('"check": "isolation"');
    expect((await readdir(data)).filter((path) => path.startsWith("doctor-"))).toEqual([]);
    const containers = await daemon.containers();
    expect(containers.length).toBeGreaterThanOrEqual(2);

    // As an upgrade does it: another container of the same settings.
    await daemon.up("--force-recreate");
    expect((await engine.getContainer(name).inspect()).Id).not.toBe(before.Id);
    expect(await daemon.containers()).toEqual(containers);
    // So a session is called that a daemon has taken over.
    expect((await api.get(`/sessions/${id}`)).body).toMatchObject({ status: "orphaned", work_dir });

    const socket = await daemon.ws(id);
    await writeFile(join(work_dir, "go-on"), "");
    expect(await socket.event(({ type }) => type === "exit")).toMatchObject({ data: { code: 0 } });
    expect(textOf(socket.events, "stdout")).toEqual(["went on"]);
    expect((await stat(join(work_dir, "done"))).uid).toBe(owner);
    await socket.close();
  },
  deadlineMs,
);

/** What listens there can be reached here too. Resolves with the port, where there is one. */
async function forward(there: TcpNetConnectOpts | IpcNetConnectOpts, here: ListenOptions): Promise<number> {
  const server = createServer((client) => {
    const service = connect(there);
    client.on("error", () => service.destroy()).on("close", () => service.destroy());
    service.on("error", () => client.destroy()).on("close", () => client.destroy());
    client.pipe(service).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(here, resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

test(
  "with hide_key the key is in the daemon's container alone, and agents reach their model again when it is replaced",
  async () => {
    const key = "the-real-key-of-the-operator-93b7";
    const model = await startScriptedModel();
    onTestFinished(() => model.close());
    const there = { host: "127.0.0.1", port: Number(new URL(model.url).port) };
    const base_url = `http://model.test:${await forward(there, { host: await machineAddress(), port: 0 })}`;
    const daemon = await daemonContainer({
      config: { agents: { claude: { key_env: "ANTHROPIC_API_KEY", hide_key: true, base_url } } },
      env: { ANTHROPIC_API_KEY: key },
      more: { extra_hosts: ["model.test:host-gateway"] },
    });
    await daemon.up();
    const api = await daemon.api();
    const created = await api.post("/sessions", {
      agent: "claude",
      interactive: true,
      prompt: "[[bash:env]]",
      work_dir: join(daemon.projects, "one"),
    });
    expect([created.status, created.body.message]).toEqual([201, undefined]);
    const id = String(created.body.session_id);
    const events = await readLog(daemon, id, { enough: hasResults(1), deadlineMs: 60_000 });
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(model.requests.at(-1)?.headers["x-api-key"]).toBe(key);
    const [container] = await agentdContainers(id);
    const containerId = container?.Id ?? "";
    // What the search finds shows that it reads what it says.
    expect((await placesInContainer(containerId, "sk-agentruntime-")).join()).toMatch(/ environ/);
    expect(await placesInContainer(containerId, key)).toEqual([]);
    expect(JSON.stringify([await engine.getContainer(containerId).inspect(), events])).not.toContain(key);

    // Its keepers end with it.
    await daemon.up("--force-recreate");
    await api.post(`/sessions/${id}/prompt`, { text: "[[say:still here]]" });
    expect(said(await readLog(daemon, id, { enough: hasResults(2), deadlineMs: 60_000 })).at(-1)).toBe("still here");
    expect(model.requests.at(-1)?.headers["x-api-key"]).toBe(key);
    const made = await readFile(join(daemon.data, "sessions", id, "model-requests.ndjson"), "utf8");
    expect(JSON.parse(made.trim().split("\n").at(-1) ?? "")).toMatchObject({ method: "POST", status: 200 });
    await api.delete(`/sessions/${id}`);
  },
  deadlineMs,
);

test.skipIf(!hasSshd)(
  "it reaches an engine by ssh with the key and the known hosts of its data dir, and without the machine's socket",
  async () => {
    const folder = await tempDir();
    onTestFinished(() => folder.remove());
    const host = await machineAddress();
    // Where sshd is, the folder of the machine's socket is hidden.
    const socket = join(folder.path, "engine.sock");
    await forward({ path: dockerHost.replace("unix://", "") }, { path: socket });
    const ssh = await startSshServer(join(folder.path, "ssh"), { DOCKER_HOST: `unix://${socket}` }, { address: host });
    onTestFinished(() => ssh.stop());
    const nothing = join(folder.path, "nothing");
    await writeFile(nothing, "");
    const daemon = await daemonContainer({
      config: { agents: shell, docker: { host: ssh.direct, memory: "256m" } },
      env: { DOCKER_SOCKET: nothing },
      prepare: async (data) => {
        const to = join(data, "ssh");
        await mkdir(to, { mode: 0o700 });
        await copyFile(ssh.files.key, join(to, "id_ed25519"));
        await copyFile(ssh.files.known, join(to, "known_hosts"));
        for (const path of [to, join(to, "id_ed25519"), join(to, "known_hosts")]) await chown(path, owner, owner);
      },
    });
    await daemon.up();
    const work_dir = join(daemon.projects, "one");
    await writeFile(join(work_dir, "kept.txt"), "kept\n");
    const api = await daemon.api();
    const created = await api.post("/sessions", {
      agent: "sh",
      prompt: "cat kept.txt; echo made > made.txt",
      work_dir,
    });
    expect([created.status, created.body.message]).toEqual([201, undefined]);
    const events = await readLog(daemon, String(created.body.session_id), { deadlineMs: 60_000 });
    expect(textOf(events, "stdout")).toEqual(["kept"]);
    await eventually(async () => (await readdir(work_dir)).includes("made.txt"), { deadlineMs: 60_000 });
    expect((await stat(join(work_dir, "made.txt"))).uid).toBe(owner);
  },
  deadlineMs,
);
