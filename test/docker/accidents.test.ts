import { writeFile } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { agentdContainers, dockerHost, engine } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

let shells: Shells;

beforeAll(async () => {
  shells = await startShells({ settings: { host: dockerHost, memory: "256m" } });
});

afterAll(() => shells?.stopDaemon());

const printing = (text: string) => (events: readonly { type: string; data: Record<string, unknown> }[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);

async function containerOf(id: string) {
  const [found] = await agentdContainers(id);
  return engine.getContainer(found?.Id ?? "");
}

test("a container that is paused is a session that waits; when it goes on, so does the session", async () => {
  const id = await shells.start("for i in $(seq 40); do echo $i; sleep 0.05; done");
  await shells.log(id, printing("10"));
  const container = await containerOf(id);
  await container.pause();
  expect((await shells.daemon.get(`/sessions/${id}`)).body).toMatchObject({ status: "running" });
  await container.unpause();
  const events = await shells.log(id);
  expect(textOf(events, "stdout")).toEqual(Array.from({ length: 40 }, (_, index) => String(index + 1)));
  expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
});

test("a session whose container is paused can be stopped all the same", async () => {
  const id = await shells.start("echo ready; sleep 300");
  await shells.log(id, printing("ready"));
  await (await containerOf(id)).pause();
  await shells.daemon.delete(`/sessions/${id}`);
  await eventually(async () => (await agentdContainers(id)).length === 0, {
    deadlineMs: 60_000,
    what: "the end of the paused container",
  });
});

test("a container whose sidecar runs out of memory ends its session, which names the limit", async () => {
  const hog = "x=bytearray(400<<20)\nprint(len(x))";
  const id = await shells.start(`echo ready; read -t 60 line; python3 -c '${hog}'; echo "code $?"; sleep 300`, {
    interactive: true,
  });
  await shells.log(id, printing("ready"));
  // Whom the kernel takes first is its choice, and it would take the larger one.
  const { Processes } = (await (await containerOf(id)).top({ ps_args: "-eo pid,args" })) as { Processes: string[][] };
  const sidecar = Processes.find(([, args = ""]) => args.includes("sidecar.js") && !args.includes("tini"));
  await writeFile(`/proc/${sidecar?.[0]?.trim()}/oom_score_adj`, "1000");
  await shells.daemon.post(`/sessions/${id}/prompt`, { text: "go" });
  const exit = (await shells.log(id)).at(-1);
  expect(exit).toMatchObject({ type: "exit", data: { error_category: "sidecar_lost" } });
  expect(String(exit?.data["error_detail"])).toContain("used more memory than it may (256 MiB)");
  await eventually(async () => (await agentdContainers(id)).length === 0, { what: "the end of its container" });
});

test("a broken connection with the engine costs nothing: the container's end is seen all the same", async () => {
  const folder = await tempDir();
  onTestFinished(() => folder.remove());
  const open = new Set<Socket>();
  const relay = createServer((client) => {
    const service = connect(dockerHost.replace("unix://", ""));
    open.add(client);
    client.on("error", () => undefined).on("close", () => service.destroy());
    service.on("error", () => undefined).on("close", () => client.destroy());
    client.pipe(service).pipe(client);
  });
  const path = join(folder.path, "s");
  await new Promise<void>((resolve) => relay.listen(path, resolve));
  onTestFinished(() => void relay.close());
  const behind = await startShells({ settings: { host: `unix://${path}` } });
  onTestFinished(() => behind.stopDaemon());
  const id = await behind.start("echo ready; read -t 60 line; for i in 1 2 3; do echo $i; done", { interactive: true });
  await behind.log(id, printing("ready"));
  for (const socket of open) socket.destroy();
  await (await containerOf(id)).kill();
  const events = await behind.log(id);
  expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "sidecar_lost" } });
  expect(String(events.at(-1)?.data["error_detail"])).toContain("its container was killed");
});
