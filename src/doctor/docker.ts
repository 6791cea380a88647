/** The Docker engine, its images and its disk, where the daemon is to start containers; and whether they isolate. */
import { statfs } from "node:fs/promises";
import type { Config } from "../config.ts";
import { AgentdError, errnoOf, messageOf } from "../protocol/error.ts";
import type { Engine } from "../runtime/docker/engine.ts";
import { isRemote } from "../runtime/docker/engine-address.ts";
import { type Examined, type Finding, finding } from "./finding.ts";

const about = "docker";
const roomBytesLow = 5_000_000_000;
const roomBytesMin = 1_000_000_000;

export async function checkDocker({ config }: Examined): Promise<Finding[]> {
  if (!config?.runtimes.includes("docker")) return [];
  // Its library is for those who have containers.
  const { openEngine } = await import("../runtime/docker/engine.ts");
  const { engine: address } = config;
  try {
    const engine = await openEngine(address);
    const { Version, ApiVersion } = await engine.version();
    return [
      finding(about, "engine", "ok", `${Version} at ${address.host} (API ${ApiVersion})`),
      ...(await checkImages(engine, config)),
      ...(isRemote(address) ? [] : await checkEngineRoom(engine)),
    ];
  } catch (error) {
    return [wrong("engine", error)];
  }
}

/** With `--probe`: what a container like a session's can do. */
export async function probeContainers(config: Config): Promise<Finding[]> {
  if (!config.runtimes.includes("docker")) return [];
  const { probeIsolation } = await import("../runtime/docker/isolation-probe.ts");
  const { docker, engine } = config;
  if (isRemote(engine))
    return [finding(about, "isolation", "note", "cannot be told: the engine is on another machine. Run doctor there")];
  const uid = process.getuid?.() ?? 0;
  try {
    const found = await probeIsolation({
      engine,
      dataDir: config.dataDir,
      image: docker.image,
      subnets: docker.subnets,
      limits: { pids: docker.pids, scratchBytes: docker.scratch_size },
      user: uid === 0 ? { uid: docker.uid, gid: docker.gid } : { uid, gid: process.getgid?.() ?? uid },
    });
    return [
      judged("this machine", found.reached.length === 0, {
        good: `out of reach: not at ${found.answering.join(", ") || "any address (it has none)"}`,
        bad: `a container reads from its services at ${found.reached.join(", ")}`,
      }),
      judged("names", !found.resolves_names, { good: "not resolved in a container", bad: "resolved past the proxy" }),
      judged("files", found.wrote.length === 0 && !found.sees_engine, {
        good: "read-only outside a session's own, without the engine's socket",
        bad: `a container writes to ${found.wrote.join(", ") || "none"}, engine's socket: ${found.sees_engine}`,
      }),
      judged("privileges", isPowerless(found), {
        good: `none, and none to be gained; user ${found.user}; system calls are filtered`,
        bad: `user ${found.user}, capabilities ${found.capabilities}, more to be gained: ${found.may_gain_privileges}, system calls filtered: ${found.filters_calls}`,
      }),
    ];
  } catch (error) {
    return [wrong("isolation", error)];
  }
}

type Privileges = { user: number; capabilities: string; may_gain_privileges: boolean; filters_calls: boolean };

function isPowerless({ user, capabilities, may_gain_privileges, filters_calls }: Privileges): boolean {
  return user !== 0 && /^0+$/.test(capabilities) && !may_gain_privileges && filters_calls;
}

function judged(check: string, isGood: boolean, { good, bad }: { good: string; bad: string }): Finding {
  if (isGood) return finding(about, check, "ok", good);
  return finding(
    about,
    check,
    "wrong",
    bad,
    "Do not run agents on this engine; docs/security.md says what should hold",
  );
}

async function checkImages(engine: Engine, { docker }: Config): Promise<Finding[]> {
  const { checkImage } = await import("../runtime/docker/images.ts");
  const images = [...new Set([docker.image, docker.proxy_image, ...docker.images])];
  return Promise.all(
    images.map((image) =>
      checkImage(engine, image, `use the image "${image}"`).then(
        () => finding(about, "image", "ok", image),
        (error: unknown) => wrong("image", error),
      ),
    ),
  );
}

/** Only of an engine whose disk is this machine's. */
async function checkEngineRoom(engine: Engine): Promise<Finding[]> {
  const { DockerRootDir } = (await engine.info()) as { DockerRootDir?: string };
  if (DockerRootDir === undefined) return [];
  try {
    const { bavail, bsize } = await statfs(DockerRootDir);
    const bytes = bavail * bsize;
    const found = `${(bytes / 1e9).toFixed(1)} GB free at ${DockerRootDir}`;
    if (bytes >= roomBytesLow) return [finding(about, "disk", "ok", found)];
    const advice = "Make room: docker system prune shows what may go";
    return [finding(about, "disk", bytes < roomBytesMin ? "wrong" : "warning", found, advice)];
  } catch (error) {
    return [finding(about, "disk", "note", `cannot be told: ${errnoOf(error) ?? messageOf(error)}`)];
  }
}

/** The errors of the runtime say what was found, and then what to do. */
function wrong(check: string, error: unknown): Finding {
  if (!(error instanceof AgentdError)) return finding(about, check, "wrong", messageOf(error));
  const [, found, advice] = /^(.*?[^.])\. ([A-Z].*)$/s.exec(error.message) ?? [];
  if (found === undefined || advice === undefined) return finding(about, check, "wrong", error.message);
  return finding(about, check, "wrong", found, advice);
}
