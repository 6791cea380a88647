/** What daemons left behind whose data dirs somebody removed. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Shells, startShells } from "../support/docker-shell.ts";
import { dockerHost, engine } from "../support/docker-world.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const settings = { host: dockerHost, memory: "256m" };
let shells: Shells;
let folder: TempDir;

beforeAll(async () => {
  shells = await startShells({ settings });
  folder = await tempDir();
});

afterAll(async () => {
  await shells?.stopDaemon();
  await folder?.remove();
});

test("gc removes it once nothing of it runs any more, and says what it was", async () => {
  const dataDir = join(folder.path, "vanished");
  const other = await startDaemon({
    dataDir,
    config: { runtime: "docker", agents: { sh: { command: "bash", harness: "generic" } }, docker: settings },
  });
  const { body } = await other.post("/sessions", { agent: "sh", prompt: "sleep 300" });
  const id = String(body.session_id);
  expect((await gc(false)).filter(({ data_dir }) => data_dir === dataDir)).toEqual([]);
  await other.kill9();
  await rm(dataDir, { recursive: true });

  const kept = (await gc(false)).filter(({ data_dir }) => data_dir === dataDir);
  expect(kept.map(({ kind, session_id, kept: isKept }) => [kind, session_id, isKept])).toEqual(
    expect.arrayContaining([
      ["container", id, true],
      ["container", null, true],
      ["network", null, true],
    ]),
  );
  const agent = kept.find(({ session_id }) => session_id === id);
  await engine.getContainer(agent?.name ?? "").kill();

  const found = (await gc(true)).filter(({ data_dir }) => data_dir === dataDir);
  expect(found.map(({ name }) => name).sort()).toEqual(kept.map(({ name }) => name).sort());
  const { stdout } = await shells.daemon.cli("gc");
  expect(stdout).toContain(`container ${agent?.name}, of session ${id}, of the data dir ${dataDir}, which is gone`);
  expect((await gc(true)).filter(({ data_dir }) => data_dir === dataDir)).toEqual([]);
  for (const { kind, name } of found) {
    const gone = kind === "network" ? engine.getNetwork(name).inspect() : engine.getContainer(name).inspect();
    await expect(gone).rejects.toMatchObject({ statusCode: 404 });
  }
});

test("it leaves alone what a daemon of another machine made, and what may hold work that is nowhere else", async () => {
  const { body } = await shells.daemon.post("/sessions", { agent: "sh", prompt: "sleep 300" });
  const id = String(body.session_id);
  const [own] = await engine.listContainers({ filters: { label: [`agentruntime.session_id=${id}`] } });
  const dataDir = join(folder.path, "never-here");
  const labels = {
    ...own?.Labels,
    "agentruntime.daemon": "another",
    "agentruntime.data_dir": dataDir,
    "agentruntime.data_dir_mark": "another",
    "agentruntime.role": "proxy-volume",
  };
  const made: [name: string, labels: Record<string, string>][] = [
    ["agentd-test-of-here", labels],
    ["agentd-test-of-elsewhere", { ...labels, "agentruntime.machine": "another" }],
    ["agentd-test-of-a-session", { ...labels, "agentruntime.role": "session-volume" }],
  ];
  for (const [Name, Labels] of made) await engine.createVolume({ Name, Labels });
  const found = (await gc(false)).filter(({ data_dir }) => data_dir === dataDir);
  const { Volumes } = await engine.listVolumes({ filters: { label: [`agentruntime.data_dir=${dataDir}`] } });
  for (const { Name } of Volumes) await engine.getVolume(Name).remove();
  await shells.daemon.delete(`/sessions/${id}`);
  expect(found.map(({ name }) => name)).toEqual(["agentd-test-of-here"]);
  expect(Volumes.map(({ Name }) => Name).sort()).toEqual(["agentd-test-of-a-session", "agentd-test-of-elsewhere"]);
});

async function gc(dry_run: boolean) {
  const { body } = await shells.daemon.post("/gc", { dry_run });
  return body.leftovers as { kind: string; name: string; session_id: string | null; data_dir?: string; kept?: true }[];
}
