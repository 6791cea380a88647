/**
 * A Docker engine of the test's own, to be stopped and killed while others use the machine's: in a network and a mount
 * namespace of its own, with the images of the machine's engine. Its socket and its sessions' folders lie on this
 * machine's file system, so a daemon here works with it as with any other.
 */
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
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
  /** The process that holds its namespaces. */
  holder: number;
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

export interface OwnEngineOptions {
  /** It sees nothing of the folder that holds all temporary ones, as if it were on another machine. */
  hidden?: boolean;
  /** A port of its own network's loopback besides the socket, with the files of its certificate. */
  tls?: { port: number; ca: string; cert: string; key: string };
  /** With the images that sessions need; without them it is there at once. */
  withImages?: boolean;
  /** Where it keeps everything, instead of on this machine's disk. */
  dataRoot?: string;
}

export async function makeOwnEngine(options: OwnEngineOptions = {}): Promise<OwnEngine> {
  const { hidden = false, tls, withImages = true, dataRoot } = options;
  const folder = await tempDir();
  const at = (name: string) => join(folder.path, name);
  await mkdir(at("run"));
  if (tls) for (const name of ["ca", "cert", "key"] as const) await copyFile(tls[name], at(`${name}.pem`));
  // The same folder, as the engine calls it.
  const itsOwn = (name: string) => (hidden ? join("/mnt", name) : at(name));
  // Holds the namespaces over the engine's own end. Engines must not share /run/docker.
  const quiet = { stdin: "ignore", reject: false } as const;
  const hide = `mount --bind '${folder.path}' /mnt && mount -t tmpfs none '${tmpdir()}'`;
  const script = `ip link set lo up && mkdir -p /run/docker && mount --bind '${at("run")}' /run/docker && ${hidden ? hide : "true"} && exec sleep infinity`;
  const holder = execa("unshare", ["--net", "--mount", "--propagation", "private", "sh", "-c", script], quiet);
  await eventually(async () => (await readFile(`/proc/${holder.pid}/comm`, "utf8")).trim() === "sleep", {
    what: "the namespaces of the test's engine",
  });
  const docker = new Docker({ socketPath: at("sock") });
  let dockerd: ReturnType<typeof enter> | undefined;
  let log = "";

  const start = async ({ liveRestore }: { liveRestore: boolean }) => {
    const places = [
      "--data-root",
      dataRoot ?? itsOwn("data"),
      "--exec-root",
      itsOwn("exec"),
      "--pidfile",
      itsOwn("pid"),
    ];
    const certificate = ["ca", "cert", "key"].flatMap((name) => [
      `--tls${name === "ca" ? "cacert" : name}`,
      itsOwn(`${name}.pem`),
    ]);
    const overTls = tls ? ["--tlsverify", ...certificate, "-H", `tcp://127.0.0.1:${tls.port}`] : [];
    const options = [
      ...places,
      ...overTls,
      "-H",
      `unix://${itsOwn("sock")}`,
      ...(liveRestore ? ["--live-restore"] : []),
    ];
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
  for (const image of withImages ? images : []) await docker.loadImage(await machinesEngine.getImage(image).get());
  return {
    host: `unix://${at("sock")}`,
    docker,
    holder: holder.pid ?? 0,
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
