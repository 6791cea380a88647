/** Containers that wait for a session, on an engine that does not do what it is asked. */
import { chmod, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Bootstrap } from "../../../src/protocol/bootstrap.ts";
import { type DockerRuntimeOptions, dockerRuntime } from "../../../src/runtime/docker/docker.ts";
import type { PlaceSpec } from "../../../src/runtime/runtime.ts";
import { type ContainerEngine, end, type FakeContainer, startContainerEngine } from "../../support/container-engine.ts";
import { eventually } from "../../support/eventually.ts";
import { tempDir } from "../../support/temp-dir.ts";

const isReady = ({ Labels }: FakeContainer) => Labels["agentruntime.role"] === "ready";

async function begin(changed: Partial<DockerRuntimeOptions> = {}) {
  const folder = await tempDir();
  const engine = await startContainerEngine(join(folder.path, "engine"));
  const logs: string[] = [];
  const at = (...names: string[]) => join(folder.path, ...names);
  const user = { uid: process.getuid?.() || 1000, gid: process.getgid?.() || 1000 };
  const runtime = await dockerRuntime({
    engine: { host: engine.host, certificates: undefined, answerMs: 5000, environment: {} },
    dataDir: at("data"),
    dataDirMark: "mark",
    sessionDirOf: (id) => at("data", "sessions", id),
    launchTimeoutMs: 5000,
    image: "agent",
    proxyImage: "proxy",
    copyBytesMax: 1,
    subnets: "10.231.0.0/16",
    egressNetwork: undefined,
    upstream: undefined,
    authorities: undefined,
    extraAuthorities: "",
    limits: { pids: 10, scratchBytes: 1 },
    readyContainers: 1,
    user,
    deniedSince: 0,
    onDenied: () => undefined,
    log: (_, message) => void logs.push(message),
    ...changed,
  });
  onTestFinished(async () => {
    engine.refuses = () => false;
    await runtime.close();
    await engine.stop();
    await folder.remove();
  });
  await makeWorkDir(at("work"));
  return { engine, runtime, logs, at, launch: (id: string) => runtime.launch(bootstrapOf(id), specOf(id, at)) };
}

/** Whoever the container runs as may write there. */
async function makeWorkDir(path: string): Promise<void> {
  await mkdir(path);
  await chmod(path, 0o777);
}

function specOf(id: string, at: (...names: string[]) => string): PlaceSpec {
  return {
    sessionId: id,
    sessionDir: at("data", "sessions", id),
    runDir: at("data", "run", id),
    workDir: at("work"),
    privateHome: at("data", "sessions", id, "home"),
    container: { image: "agent", memory_bytes: 1, cpus: 1, security_opt: [], mounts: [] },
    egress: { mode: "enforce", allow: [] },
  };
}

/** What a runtime looks at; the rest is the sidecar's, and there is none. */
function bootstrapOf(id: string): Bootstrap {
  const agent = { name: "sh", harness: "generic", command: ["sh"], env: {} };
  return { session_id: id, token: "t", protocol: 1, agent } as unknown as Bootstrap;
}

function waiting({ containers }: ContainerEngine): Promise<FakeContainer> {
  return eventually(() => [...containers.values()].find((one) => isReady(one) && one.isRunning && one.stream), {
    what: "a container that waits",
  });
}

const all = { isDryRun: false, withStrangers: false };

test("one that cannot be removed when it ended is a leftover with its network, and is gone once it can be; the proxy too", async () => {
  const { engine, runtime, logs, launch } = await begin();
  await launch("one");
  const waits = await waiting(engine);
  const mine = new Set(["one"]);
  expect(await runtime.sweepOthers(mine, { ...all, isDryRun: true })).toEqual([]);
  engine.refuses = (act) => act.startsWith("DELETE");
  end(waits);
  await eventually(() => logs.some((line) => line.includes("Cannot remove all of a container that was kept ready")));
  const left = await runtime.sweepOthers(mine, { ...all, isDryRun: true });
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
  const { engine, runtime, at, launch } = await begin();
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

test("one that does not take its bootstrap and cannot be removed leaves its session the name", async () => {
  const { engine, runtime, launch } = await begin();
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
  const { engine, logs, launch } = await begin({ readyContainers: 2 });
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
