import { execa } from "execa";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { denials, type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { eventually } from "../support/eventually.ts";
import { makeOwnEngine, type OwnEngine } from "../support/own-engine.ts";

let engine: OwnEngine;
let shells: Shells;

beforeAll(async () => {
  engine = await makeOwnEngine();
  shells = await startShells({ settings: { host: engine.host } });
}, 240_000);

afterAll(async () => {
  await shells?.stopDaemon();
  await engine?.remove();
}, 240_000);

const printing = (text: string) => (events: readonly { type: string; data: Record<string, unknown> }[]) =>
  events.some(({ type, data }) => type === "stdout" && data["text"] === text);

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1));

async function nothingLeft(): Promise<void> {
  const filters = { label: ["agentruntime.role=agent"] };
  await eventually(async () => (await engine.docker.listContainers({ all: true, filters })).length === 0, {
    deadlineMs: 60_000,
    what: "the end of the sessions' containers",
  });
}

/** First: it is the engine's own network that it needs. */
test("the metadata address of the engine's network is answered for any other container, and not for a session", async () => {
  const address = "169.254.169.254";
  const within = ["-t", String(engine.holder), "--net"];
  await execa("nsenter", [...within, "ip", "address", "add", `${address}/32`, "dev", "lo"]);
  const program = `require("net").createServer((c)=>c.on("error",()=>{}).end("METADATA")).listen(80,"${address}",()=>console.log("ready"))`;
  const service = execa("nsenter", [...within, process.execPath, "-e", program], { reject: false, buffer: false });
  onTestFinished(async () => {
    service.kill();
    await service;
  });
  await new Promise((resolve) => service.stdout.once("data", resolve));
  const ask = `python3 -c 'import socket;s=socket.create_connection(("${address}",80),4);s.settimeout(4);print("READ",s.recv(99))' 2>&1 | tail -1`;
  expect(await besides(ask)).toContain("READ b'METADATA'");
  const { lines, events } = await shells.run(
    `${ask}; curl -s -m 5 http://${address}/latest/meta-data/ -o /dev/null -w '%{http_code}\\n'; curl -s -m 5 https://${address}/; echo "code $?"; sleep 1`,
  );
  expect(lines).toEqual([expect.stringMatching(/^OSError|unreachable|timed out/), "403", "code 56"]);
  expect(denials(events)).toEqual([
    { host: address, port: 80, reason: "method" },
    { host: address, port: 443, reason: "literal" },
  ]);
}, 180_000);

/** In a container of that engine that is nobody's session. */
async function besides(script: string): Promise<string> {
  const container = await engine.docker.createContainer({
    Image: "agentruntime-agent:latest",
    Entrypoint: ["bash", "-c", script],
  });
  await container.start();
  await container.wait();
  const text = (await container.logs({ stdout: true, stderr: true, follow: false })).toString("latin1");
  await container.remove({ force: true });
  return text;
}

test("an engine that stops ends its sessions, which say so; the next session starts when it is back", async () => {
  const id = await shells.start("echo ready; sleep 300");
  await shells.log(id, printing("ready"));
  await engine.stop();
  const refused = await shells.daemon.post("/sessions", { agent: "sh", prompt: "echo no" });
  expect(refused).toMatchObject({ body: { error: "runtime_unavailable" } });
  expect(refused.text).toMatch(/Start Docker|there is no such socket/);
  await engine.start({ liveRestore: false });
  const events = await shells.log(id);
  const exit = events.at(-1);
  expect(exit?.type).toBe("exit");
  expect(events.filter(({ type }) => type === "result")).toHaveLength(1);
  expect((await shells.run("echo again")).lines).toEqual(["again"]);
  await nothingLeft();
}, 180_000);

test("an engine that is killed takes its sessions along when it comes back, and they say so", async () => {
  const id = await shells.start("echo ready; sleep 300");
  await shells.log(id, printing("ready"));
  await engine.kill9();
  await engine.start({ liveRestore: false });
  const events = await shells.log(id);
  expect(events.at(-1)?.type).toBe("exit");
  expect((await shells.run("echo again")).lines).toEqual(["again"]);
  await nothingLeft();
}, 180_000);

test("a container that waited while the engine was started anew goes when the engine is back, and with it network and proxy", async () => {
  const own = await startShells({ settings: { host: engine.host, ready_containers: 1 } });
  onTestFinished(() => own.stopDaemon());
  const filters = { label: [`agentruntime.data_dir=${own.daemon.dataDir}`] };
  const containers = () => engine.docker.listContainers({ all: true, filters });
  const id = await own.start("echo ready; sleep 300");
  await own.log(id, printing("ready"));
  await eventually(
    async () =>
      (await containers()).some(({ Labels, State }) => Labels["agentruntime.role"] === "ready" && State === "running"),
    { deadlineMs: 30_000, what: "a container that waits" },
  );
  // One that leaves in order may still remove it.
  await engine.kill9();
  await eventually(() => own.daemon.output().includes("Cannot remove all of a container that was kept ready"), {
    deadlineMs: 30_000,
    what: "the word that it is still there",
  });
  await engine.start({ liveRestore: false });
  await own.log(id);
  const isProxy = ({ Labels }: { Labels: Record<string, string> }) => Labels["agentruntime.role"] === "proxy";
  await eventually(async () => (await containers()).every(isProxy), {
    deadlineMs: 90_000,
    everyMs: 200,
    what: "the end of the containers of sessions",
  });
  await eventually(async () => {
    const { exitCode, stdout } = await own.daemon.cli("gc");
    return exitCode === 0 && stdout === "";
  });
  expect(await containers()).toEqual([]);
  expect(await engine.docker.listNetworks({ filters })).toEqual([]);
}, 240_000);

test("with live-restore sessions go on over the engine's restart, each line once, and their end is seen", async () => {
  await engine.stop();
  await engine.start({ liveRestore: true });
  const id = await shells.start("for i in $(seq 120); do echo $i; sleep 0.1; done");
  await shells.log(id, printing("10"));
  await engine.stop();
  await engine.start({ liveRestore: true });
  const events = await shells.log(id);
  expect(textOf(events, "stdout")).toEqual(numbers(120));
  expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
  expect((await shells.run("echo again")).lines).toEqual(["again"]);
  await nothingLeft();
}, 180_000);
