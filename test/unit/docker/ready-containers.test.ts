/** Containers that wait for a session, on an engine that does not do what it is asked. */
import { existsSync, statSync } from "node:fs";
import { mkdtemp, rename, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type ContainerEngine, end, type FakeContainer } from "../../support/container-engine.ts";
import { makeWorkDir, startDockerRuntime } from "../../support/docker-runtime.ts";
import { eventually } from "../../support/eventually.ts";
import { canMount, mountSmallDisk } from "../../torture/small-disk.ts";

const isReady = ({ Labels }: FakeContainer) => Labels["agentruntime.role"] === "ready";

async function waiting({ containers }: ContainerEngine): Promise<FakeContainer> {
  const found = await eventually(
    () => [...containers.values()].find((one) => isReady(one) && one.isRunning && one.stream),
    { what: "a container that waits" },
  );
  // It has been started, and its folders are looked at once more before it can be had: some calls of that kind, not many.
  for (let looked = 0; looked < 500; looked++) await stat(tmpdir());
  return found;
}

const all = { isDryRun: false, withStrangers: false };

test("one that cannot be removed when it ended is a leftover with its network, and is gone once it can be; the proxy too", async () => {
  const { engine, runtime, logs, launch } = await startDockerRuntime();
  await launch("one");
  const waits = await waiting(engine);
  const mine = new Set(["one"]);
  expect(await runtime.sweepOthers(mine, { ...all, isDryRun: true })).toEqual({ leftovers: [], faults: [] });
  engine.refuses = (act) => act.startsWith("DELETE");
  end(waits);
  await eventually(() => logs.some((line) => line.includes("Cannot remove all of a container that was kept ready")));
  const { leftovers: left } = await runtime.sweepOthers(mine, { ...all, isDryRun: true });
  expect(left.map(({ kind }) => kind).sort()).toEqual(["container", "network"]);
  engine.refuses = () => false;
  await runtime.sweepOthers(mine, all);
  expect(engine.containers.has(waits.Id)).toBe(false);
  for (const { name } of left) expect(engine.networks.has(name)).toBe(false);
  await runtime.sweep("one");
  await runtime.sweepOthers(new Set(), all);
  expect([...engine.containers.values()].map(({ name }) => name)).toEqual([]);
  expect([...engine.networks.keys()]).toEqual([]);
});

test("one that sees another folder than the session would, and cannot be removed, costs no session its start", async () => {
  const { engine, runtime, at, launch } = await startDockerRuntime();
  await launch("one");
  const waits = await waiting(engine);
  await rename(at("work"), at("work-before"));
  await makeWorkDir(at("work"));
  engine.refuses = (act, container) => act.startsWith("DELETE") && container?.Id === waits.Id;
  await launch("two");
  expect([...engine.containers.values()].filter((one) => one.isRunning)).toContainEqual(
    expect.objectContaining({ Labels: expect.objectContaining({ "agentruntime.session_id": "two" }) }),
  );
  engine.refuses = () => false;
  await runtime.sweepOthers(new Set(["one", "two"]), all);
  expect(engine.containers.has(waits.Id)).toBe(false);
});

test.skipIf(!canMount)("what was mounted below the work dir since is seen by the next session", async () => {
  const { engine, at, launch } = await startDockerRuntime();
  await launch("one");
  const waits = await waiting(engine);
  const disk = mountSmallDisk(at("work", "a disk"), 1);
  onTestFinished(() => disk.remove());
  await launch("two");
  expect(engine.containers.has(waits.Id)).toBe(false);
  const next = await waiting(engine);
  await launch("three");
  expect(next.name).not.toMatch(/^agentruntime-ready-/);
});

test("one that does not take its bootstrap and cannot be removed leaves its session the name", async () => {
  const { engine, runtime, launch } = await startDockerRuntime();
  await launch("one");
  const waits = await waiting(engine);
  engine.answer = (container) =>
    container.Id === waits.Id
      ? { ok: false, error: "it is out of sorts" }
      : { ok: true, protocol: 1, pid: 1, address: "s" };
  engine.refuses = (act, container) => act.startsWith("DELETE") && container?.Id === waits.Id;
  await launch("two");
  const [made] = [...engine.containers.values()].filter(({ Labels }) => Labels["agentruntime.session_id"] === "two");
  expect(made).toMatchObject({ isRunning: true, name: expect.stringMatching(/^agentruntime-[0-9a-f]+$/) });
  expect(waits.name).toMatch(/^agentruntime-ready-/);
  engine.refuses = () => false;
  await runtime.sweepOthers(new Set(["one", "two"]), all);
  expect(engine.containers.has(waits.Id)).toBe(false);
});

test("containers that die as they are made are made once for each session, and none of them counts as waiting", async () => {
  const { engine, logs, launch } = await startDockerRuntime({ readyContainers: 2 });
  let begun = 0;
  engine.onStart = (container) => {
    if (!isReady(container)) return;
    begun += 1;
    end(container);
  };
  await launch("one");
  await eventually(() => logs.some((line) => line.includes("it ended before a session came")));
  await eventually(() => [...engine.containers.values()].every((one) => !isReady(one)));
  expect([begun, logs.filter((line) => line.includes("it ended before"))]).toEqual([1, [expect.anything()]]);
  engine.onStart = () => undefined;
  await launch("two");
  await waiting(engine);
});

/** Another disk than that of temporary folders. */
const memory = "/dev/shm";

test.skipIf(!existsSync(memory) || statSync(memory).dev === statSync(tmpdir()).dev)(
  "folders that cannot be moved to the session's disk: it gets a container of its own, and no more are made",
  async () => {
    const { engine, logs, launch } = await startDockerRuntime();
    const folder = await mkdtemp(join(memory, "agentd-test-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    await launch("one");
    const waits = await waiting(engine);
    await launch("two", { privateHome: join(folder, "home") });
    expect(engine.containers.has(waits.Id)).toBe(false);
    expect([...engine.containers.values()]).toContainEqual(
      expect.objectContaining({ Labels: expect.objectContaining({ "agentruntime.session_id": "two" }) }),
    );
    expect(logs.filter((line) => line.includes("docker.ready_containers to 0"))).toEqual([
      expect.stringContaining("another disk"),
    ]);
    // Two for sessions, and two that are kept for the next: what is made behind a start has been made.
    await eventually(() => [...engine.networks.keys()].length === 2 + 2 + 1, {
      what: "the networks for next sessions",
    });
    expect([...engine.containers.values()].filter(isReady)).toEqual([]);
  },
);
