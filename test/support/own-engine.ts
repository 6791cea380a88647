/**
 * A Docker engine of the test's own, to be stopped and killed while others use the machine's: in a network and a mount
 * namespace of its own, with the images of the machine's engine. Its socket and its sessions' folders lie on this
 * machine's file system, so a daemon here works with it as with any other.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import Docker from "dockerode";
import { execa } from "execa";
import { engine as machinesEngine } from "./docker-world.ts";
import { eventually } from "./eventually.ts";
import { isAlive } from "./processes.ts";
import { tempDir } from "./temp-dir.ts";

export interface OwnEngine {
  /** For `docker.host`. */
  host: string;
  docker: Docker;
  start(options: { liveRestore: boolean }): Promise<void>;
  /** SIGTERM: an engine that leaves in order. */
  stop(): Promise<void>;
  kill9(): Promise<void>;
  remove(): Promise<void>;
}

const images = ["agentruntime-agent:latest", "agentruntime-proxy:latest"];
const deadlineMs = 60_000;

const enter = (args: readonly string[]) =>
  execa("nsenter", args, { stdin: "ignore", reject: false, buffer: false, forceKillAfterDelay: false });

export async function makeOwnEngine(): Promise<OwnEngine> {
  const folder = await tempDir();
  const at = (name: string) => join(folder.path, name);
  await mkdir(at("run"));
  // Holds the namespaces over the engine's own end. Engines must not share /run/docker.
  const quiet = { stdin: "ignore", reject: false } as const;
  const script = `ip link set lo up && mkdir -p /run/docker && mount --bind '${at("run")}' /run/docker && exec sleep infinity`;
  const holder = execa("unshare", ["--net", "--mount", "--propagation", "private", "sh", "-c", script], quiet);
  await eventually(async () => (await readFile(`/proc/${holder.pid}/comm`, "utf8")).trim() === "sleep", {
    what: "the namespaces of the test's engine",
  });
  const docker = new Docker({ socketPath: at("sock") });
  let dockerd: ReturnType<typeof enter> | undefined;
  let log = "";

  const start = async ({ liveRestore }: { liveRestore: boolean }) => {
    const places = ["--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid")];
    const options = [...places, "-H", `unix://${at("sock")}`, ...(liveRestore ? ["--live-restore"] : [])];
    const entered = ["-t", String(holder.pid), "--net", "--mount", "dockerd", ...options];
    const started = enter(entered);
    dockerd = started;
    for (const stream of [started.stdout, started.stderr])
      stream.on("data", (chunk) => {
        log = (log + String(chunk)).slice(-4000);
      });
    await eventually(async () => (await docker.ping()).length > 0, {
      deadlineMs,
      what: "the start of the test's engine",
    }).catch((cause: unknown) => {
      throw new Error(`The test's engine does not start: ${log.trim()}`, { cause });
    });
  };
  const end = async (signal: "SIGTERM" | "SIGKILL") => {
    dockerd?.kill(signal);
    await dockerd;
    dockerd = undefined;
  };
  await start({ liveRestore: false });
  for (const image of images) await docker.loadImage(await machinesEngine.getImage(image).get());
  return {
    host: `unix://${at("sock")}`,
    docker,
    start,
    stop: () => end("SIGTERM"),
    kill9: async () => {
      await end("SIGKILL");
      // As a service manager sees to it: an engine does not start beside what is left of another one.
      const containerd = Number(await readFile(at("exec/containerd/containerd.pid"), "utf8").catch(() => "0"));
      await eventually(() => containerd === 0 || !isAlive(containerd), { what: "the end of the engine's containerd" });
      for (const file of ["pid", "exec/containerd/containerd.pid"]) await rm(at(file), { force: true });
    },
    remove: async () => {
      if (!dockerd) await start({ liveRestore: false });
      for (const { Id } of await docker.listContainers({ all: true }))
        await docker.getContainer(Id).remove({ force: true, v: true });
      await end("SIGTERM");
      holder.kill("SIGKILL");
      await holder;
      await folder.remove();
    },
  };
}
