import { afterAll, beforeAll, expect, test } from "vitest";
import { type Shells, startShells, textOf } from "../support/docker-shell.ts";
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
