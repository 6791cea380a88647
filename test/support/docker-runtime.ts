/** The runtime of containers on an engine of the test's own, without a daemon around it. */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type DockerRuntimeOptions, dockerRuntime } from "../../src/runtime/docker/docker.ts";
import type { PlaceSpec } from "../../src/runtime/runtime.ts";
import { startContainerEngine } from "./container-engine.ts";
import { bootstrapFor } from "./sidecar.ts";
import { tempDir } from "./temp-dir.ts";

/** It ends with the test. */
export async function startDockerRuntime(settings: Partial<DockerRuntimeOptions> = {}) {
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
    onProxyReplaced: () => undefined,
    log: (_, message) => void logs.push(message),
    ...settings,
  });
  onTestFinished(async () => {
    engine.refuses = () => false;
    await runtime.close();
    await engine.stop();
    await folder.remove();
  });
  await makeWorkDir(at("work"));
  return {
    engine,
    runtime,
    logs,
    at,
    launch: async (id: string, changed: Partial<PlaceSpec> = {}) => {
      const spec = { ...specOf(id, at), ...changed };
      // The daemon has made these by then.
      for (const folder of [spec.sessionDir, spec.runDir]) await mkdir(folder, { recursive: true });
      return runtime.launch(bootstrapFor(spec.sessionDir, ["sh"], { session_id: id }), spec);
    },
  };
}

/** Whoever the container runs as may write there. */
export async function makeWorkDir(path: string): Promise<void> {
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
