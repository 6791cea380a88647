import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DockerShell, startDockerShell, textOf } from "../support/docker-shell.ts";
import { agentdContainers, agentdNetworks, engine } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";

let shell: DockerShell;

beforeAll(async () => {
  shell = await startDockerShell(["allowed.test"], { config: { egress: { allow: ["allowed.test"] } } });
});

afterAll(() => shell?.stop());

async function nextDaemon(): Promise<void> {
  const { dataDir } = shell.daemon;
  await shell.daemon.kill9();
  shell.daemon = await startDaemon({ dataDir });
}

const isPrinting = (text: string) => (events: readonly { type: string; data: Record<string, unknown> }[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);

test("sessions go on over the daemon's death: each line once, and refusals of the meantime are told", async () => {
  const id = await shell.start(
    `for i in $(seq 120); do echo $i; sleep 0.05; [ $i = 60 ] && curl -s -m 5 https://denied.test/; done; true`,
  );
  await shell.log(id, isPrinting("20"));
  await nextDaemon();
  const events = await shell.log(id);
  expect(textOf(events, "stdout")).toEqual(Array.from({ length: 120 }, (_, index) => String(index + 1)));
  expect(JSON.stringify(events)).toContain('"egress_denied"');
  expect(events.at(-1)?.data["code"]).toBe(0);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
});

test("a container that somebody removes ends its session, which says so", async () => {
  const id = await shell.start("echo ready; sleep 60");
  await shell.log(id, isPrinting("ready"));
  const [container] = await agentdContainers(id);
  await engine.getContainer(container?.Id ?? "").remove({ force: true });
  const events = await shell.log(id);
  const exit = events.at(-1);
  expect([exit?.type, exit?.data["error_category"]]).toEqual(["exit", "sidecar_lost"]);
  expect(String(exit?.data["error_detail"])).toMatch(/its container was (removed behind agentd's back|killed)/);
});

test("what belongs to no session any more is taken away at the next start", async () => {
  const id = await shell.start("echo ready; sleep 60");
  await shell.log(id, isPrinting("ready"));
  const { dataDir } = shell.daemon;
  await shell.daemon.kill9();
  await rm(`${dataDir}/sessions/${id}`, { recursive: true, force: true });
  shell.daemon = await startDaemon({ dataDir });
  await eventually(async () => (await agentdContainers(id)).length === 0, {
    what: "the end of the forgotten container",
  });
  await eventually(async () => (await agentdNetworks()).length === 0, { what: "the end of its network" });
});

test("agentd gc lists what outlived its session, and takes it away; what is in use stays", async () => {
  const id = await shell.start("echo ready; sleep 60");
  await shell.log(id, isPrinting("ready"));
  const [own] = await agentdContainers(id);
  const labels = { ...own?.Labels, "agentruntime.session_id": "gone-long-ago", "agentd-test": "1" };
  const { id: left } = await engine.createContainer({ Image: "agentruntime-agent:latest", Labels: labels });
  const listed = await shell.daemon.cli("gc", "--dry-run");
  expect(listed.stdout).toContain("of session gone-long-ago");
  expect(listed.stdout.trim().split("\n")).toHaveLength(1);
  expect(await agentdContainers("gone-long-ago")).toHaveLength(1);
  expect((await shell.daemon.cli("gc")).stdout).toBe(listed.stdout);
  expect(await agentdContainers("gone-long-ago")).toEqual([]);
  await expect(engine.getContainer(left).inspect()).rejects.toThrow("No such container");
  expect((await shell.daemon.get(`/sessions/${id}`)).body).toMatchObject({ status: "running" });
  await shell.daemon.delete(`/sessions/${id}`);
});

test("a daemon that stops its sessions leaves no container and no network", async () => {
  const id = await shell.start("echo ready; sleep 60");
  await shell.log(id, isPrinting("ready"));
  const { dataDir } = shell.daemon;
  await shell.daemon.stop();
  expect(await agentdContainers()).toEqual([]);
  expect(await agentdNetworks()).toEqual([]);
  shell.daemon = await startDaemon({ dataDir });
});
