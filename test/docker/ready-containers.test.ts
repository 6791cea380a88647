/** Containers that wait for the next session: whose they become, and that nothing of them stays. */
import { chown, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { denials, type Shells, startShells } from "../support/docker-shell.ts";
import { agentdContainers, dockerHost, engine } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const deadlineMs = 120_000;
let shell: Shells;
let folder: Awaited<ReturnType<typeof tempDir>>;
let work_dir: string;
/** While it lives something is kept for the next. */
let holder: string;

beforeAll(async () => {
  folder = await tempDir();
  work_dir = join(folder.path, "work");
  await makeWorkDir();
  shell = await startShells({ settings: { host: dockerHost, memory: "256m", ready_containers: 1 } });
  holder = await shell.start("echo held; sleep 1000", { work_dir });
}, deadlineMs);

afterAll(async () => {
  await shell?.stopDaemon();
  await folder?.remove();
});

async function makeWorkDir(): Promise<void> {
  await mkdir(work_dir);
  await chown(work_dir, 1000, 1000);
}

async function ready() {
  return (await agentdContainers()).filter(({ Names: [name = ""] }) => name.startsWith("/agentruntime-ready-"));
}

/** One that runs, other than this one. */
async function waiting(other?: string): Promise<string> {
  return eventually(async () => (await ready()).find(({ Id, State }) => State === "running" && Id !== other)?.Id, {
    deadlineMs: 60_000,
    what: "a container that waits",
  });
}

async function containerOf(id: string): Promise<string | undefined> {
  return (await agentdContainers(id))[0]?.Id;
}

async function networksOf(id: string): Promise<string[]> {
  return Object.keys((await engine.getContainer(id).inspect()).NetworkSettings.Networks);
}

async function isGone(id: string): Promise<boolean> {
  return (await agentdContainers()).every(({ Id }) => Id !== id);
}

const isPrinting = (text: string) => (events: readonly { type: string; data: Record<string, unknown> }[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);

test(
  "a session gets the container that waits: its folders, its user, its list of names, and nothing of another's",
  async () => {
    const waits = await waiting();
    await writeFile(join(work_dir, "here"), "");
    const script = `
      ls; id -u; echo mine > "$HOME/mine"; touch made; curl -s -m 5 https://denied.test/; echo ready; read line`;
    const id = await shell.start(script, { work_dir, interactive: true });
    const events = await shell.log(id, (so) => isPrinting("ready")(so) && denials(so).length > 0);
    expect(await containerOf(id)).toBe(waits);
    expect(events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"])).toEqual([
      "here",
      "1000",
      "ready",
    ]);
    expect(denials(events)).toEqual([{ host: "denied.test", port: 443, reason: "name" }]);
    expect((await stat(join(work_dir, "made"))).uid).toBe(1000);
    expect(await readdir(join(shell.daemon.dataDir, "sessions", id, "home"))).toContain("mine");
    // The next one is another container, on another network, with a home of its own.
    const next = await waiting(waits);
    const [own, others] = [await networksOf(waits), await networksOf(next)];
    expect([own.length, others.length, own[0] === others[0]]).toEqual([1, 1, false]);
    const second = await shell.start('ls "$HOME"; ls; echo ready; read line', { work_dir, interactive: true });
    const told = await shell.log(second, isPrinting("ready"));
    expect(await containerOf(second)).toBe(next);
    expect(told.filter(({ type }) => type === "stdout").map(({ data }) => data["text"])).toEqual([
      "here",
      "made",
      "ready",
    ]);
    await shell.daemon.delete(`/sessions/${second}`);
    await shell.daemon.delete(`/sessions/${id}`);
    await eventually(() => isGone(waits), { what: "the end of its container" });
  },
  deadlineMs,
);

test(
  "one that waits is counted by nobody, is no leftover, and is not used for a session of another kind",
  async () => {
    const waits = await waiting();
    expect(await ready()).toHaveLength(1);
    const { body } = await shell.daemon.get("/sessions?state=running");
    expect(body.map(({ session_id }: { session_id: string }) => session_id)).toEqual([holder]);
    expect((await shell.daemon.cli("gc", "--dry-run")).stdout).not.toContain("agentruntime-");
    const id = await shell.start("echo ready; sleep 1000", { work_dir, container: { memory: "200m" } });
    await shell.log(id, isPrinting("ready"));
    expect(await containerOf(id)).not.toBe(waits);
    expect((await engine.getContainer((await containerOf(id)) ?? "").inspect()).HostConfig.Memory).toBe(
      200 * 1024 ** 2,
    );
    await shell.daemon.delete(`/sessions/${id}`);
  },
  deadlineMs,
);

test(
  "a work dir that was exchanged since is the one that its session sees",
  async () => {
    await shell.run("true", { work_dir });
    await waiting();
    const id = await shell.start("true", { work_dir });
    await shell.log(id);
    const waits = await waiting();
    await rm(work_dir, { recursive: true });
    await makeWorkDir();
    await shell.run("echo new > new", { work_dir });
    expect(await readdir(work_dir)).toEqual(["new"]);
    await eventually(() => isGone(waits), { what: "the end of the one that saw the folder before" });
  },
  deadlineMs,
);

test(
  "one that was killed, or that stands still, costs its session nothing but time",
  async () => {
    const waits = await waiting();
    await engine.getContainer(waits).kill();
    expect((await shell.run("echo ran", { work_dir })).lines).toEqual(["ran"]);
    const stands = await waiting(waits);
    await engine.getContainer(stands).pause();
    const { id, lines } = await shell.run("echo ran", { work_dir });
    expect(lines).toEqual(["ran"]);
    expect(shell.daemon.output()).toContain("a ready container could not be used");
    await eventually(() => isGone(stands), { what: "the end of the one that stood still" });
    await eventually(async () => (await containerOf(id)) === undefined, { what: "the end of the session's container" });
  },
  deadlineMs,
);

test(
  "the daemon's death ends what waits, and the next one removes it; a session in one that had waited goes on",
  async () => {
    const first = await waiting();
    const id = await shell.start("echo ready; until [ -e go-on ]; do sleep 0.1; done; echo after", { work_dir });
    await shell.log(id, isPrinting("ready"));
    expect(await containerOf(id)).toBe(first);
    const waits = await waiting(first);
    const { dataDir } = shell.daemon;
    expect(await readdir(join(dataDir, "ready-containers"))).toHaveLength(1);
    await shell.daemon.kill9();
    // Before any daemon is there.
    await eventually(async () => !(await engine.getContainer(waits).inspect()).State.Running, {
      what: "the end of a container that nobody can tell anything any more",
    });
    shell.daemon = await startDaemon({ dataDir });
    await eventually(() => isGone(waits), { what: "the end of what is left of it" });
    expect(await readdir(dataDir)).not.toContain("ready-containers");
    expect(await containerOf(id)).toBe(first);
    await writeFile(join(work_dir, "go-on"), "");
    expect((await shell.log(id)).at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    await eventually(() => isGone(first), { what: "the end of its container" });
  },
  deadlineMs,
);

test(
  "a daemon that stops leaves none, and no network",
  async () => {
    const id = await shell.start("true", { work_dir });
    await shell.log(id);
    await waiting();
    const { dataDir } = shell.daemon;
    await shell.daemon.stop();
    const filters = { label: [`agentruntime.data_dir=${dataDir}`] };
    expect(await engine.listContainers({ all: true, filters })).toEqual([]);
    expect(await engine.listNetworks({ filters })).toEqual([]);
    shell.daemon = await startDaemon({ dataDir });
  },
  deadlineMs,
);
