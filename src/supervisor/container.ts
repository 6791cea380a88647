/** What a session's container is like: what the request asks for, within what the operator permits. */
import { posix } from "node:path";
import type { Config } from "../config.ts";
import { type ContainerMount, type ContainerRequest, type ContainerSpec, memoryTarget } from "../protocol/container.ts";
import { AgentdError } from "../protocol/error.ts";
import type { SessionRequest } from "../protocol/http.ts";
import { checkWorkDir, type WorkDirGuard } from "./work-dir.ts";

const mountsMax = 32;
/** What a session stands on: no mount may lie there, nor above, nor below. */
const reservedTargets =
  "/proc /sys /dev /etc /run /var/run /opt/agentruntime /opt/agents /bin /sbin /lib /lib64 /usr /tmp /var/tmp /home/agent /workspace".split(
    " ",
  );
/** Below these a mount may lie, but not in their place. */
const open = ["/home/agent", "/workspace", "/tmp", "/usr/local/share"];

/** Throws `not_permitted` for what the operator's lists do not have, `invalid_request` and `invalid_work_dir` for what cannot be. */
export async function containerOf(
  request: SessionRequest,
  { docker }: Config,
  guard: WorkDirGuard,
): Promise<ContainerSpec> {
  const asked: ContainerRequest = request.container ?? {};
  const image = asked.image ?? docker.image;
  if (![docker.image, ...docker.images].includes(image)) throw notPermitted("container.image", image, "docker.images");
  if (asked.network !== undefined && !docker.networks.includes(asked.network))
    throw notPermitted("container.network", asked.network, "docker.networks");
  for (const option of asked.security_opt ?? [])
    if (!docker.security_opts.includes(option))
      throw notPermitted("container.security_opt", option, "docker.security_opts");
  const memory = atMost("container.memory", asked.memory, docker.memory, "docker.memory");
  const cpus = atMost("container.cpus", asked.cpus, docker.cpus, "docker.cpus");
  return {
    image,
    memory_bytes: memory,
    cpus,
    ...(asked.network === undefined ? {} : { network: asked.network }),
    security_opt: asked.security_opt ?? [],
    mounts: [
      ...operatorsMounts(docker.mounts),
      ...(await mountsOf(request, docker, guard)),
      ...(await memoryMount(request, guard)),
    ],
    ...(request.pty ? { has_pty: true } : {}),
  };
}

function operatorsMounts(mounts: Config["docker"]["mounts"]): ContainerMount[] {
  return mounts.map(({ host, container, mode }) => ({
    type: "bind",
    source: host,
    target: checkTarget("docker.mounts", container),
    read_only: mode === "ro",
  }));
}

/** The agent's memory of a project, kept by the person: the sidecar links it to where the agent looks. */
async function memoryMount({ claude }: SessionRequest, guard: WorkDirGuard): Promise<ContainerMount[]> {
  if (claude?.memory_path === undefined) return [];
  const source = await checkWorkDir(claude.memory_path, readingOnly(guard));
  return [{ type: "bind", source, target: memoryTarget, read_only: true }];
}

async function mountsOf(
  request: SessionRequest,
  { volumes: permittedVolumes, mounts: operators }: Config["docker"],
  guard: WorkDirGuard,
): Promise<ContainerMount[]> {
  const asked = [
    ...(request.mounts ?? []).map((mount) => ({ ...mount, field: "mounts" })),
    ...(request.volumes ?? []).map(fromVolumeText),
  ];
  if (asked.length > mountsMax)
    throw new AgentdError("invalid_request", `Cannot mount ${asked.length} places: at most ${mountsMax} may be`);
  const mounts: ContainerMount[] = [];
  for (const { host, container, mode, type = "bind", field } of asked) {
    const target = checkTarget(field, container);
    if ([...mounts.map((other) => other.target), ...operators.map((other) => other.container)].includes(target))
      throw new AgentdError("invalid_request", `Cannot mount two places at "${target}"`);
    if (type === "volume" && !permittedVolumes.includes(host)) throw notPermitted(field, host, "docker.volumes");
    const source = type === "volume" ? host : await checkWorkDir(host, mode === "ro" ? readingOnly(guard) : guard);
    mounts.push({ type, source, target, read_only: mode === "ro" });
  }
  return mounts;
}

/** What is only read may be where programs are. */
function readingOnly({ programs: _programs, ...guard }: WorkDirGuard): WorkDirGuard {
  return guard;
}

/** `NAME:/PATH` or `NAME:/PATH:ro`, as Docker's own -v has it; a path of this machine goes into `mounts`. */
function fromVolumeText(text: string) {
  const [host = "", container = "", mode, ...more] = text.split(":");
  if (more.length > 0 || !["rw", "ro", undefined].includes(mode) || host.includes("/") || host === "")
    throw new AgentdError(
      "invalid_request",
      `Cannot use the volume ${JSON.stringify(text.slice(0, 200))}: expected NAME:/PATH or NAME:/PATH:ro. Folders of this machine go into mounts`,
    );
  return {
    host,
    container,
    mode: mode === "ro" ? ("ro" as const) : ("rw" as const),
    type: "volume" as const,
    field: "volumes",
  };
}

function checkTarget(field: string, path: string): string {
  const refuse = (found: string) =>
    new AgentdError(
      "invalid_request",
      `Cannot use "${path.slice(0, 200)}" as a place in the container (${field}): ${found}`,
    );
  if (!path.startsWith("/") || path.includes("\0")) throw refuse("it must be an absolute path");
  if (path.split("/").includes("..")) throw refuse("it cannot contain '..'");
  const target = posix.normalize(path).replace(/\/+$/, "") || "/";
  const isBelow = (one: string, other: string) => one === other || one.startsWith(`${other}/`) || other === "/";
  if (open.some((place) => target !== place && isBelow(target, place))) return target;
  const reserved = reservedTargets.find((place) => isBelow(target, place) || isBelow(place, target));
  if (reserved !== undefined)
    throw refuse(`"${reserved}" is the session's own. Choose another place, such as /mnt/NAME`);
  return target;
}

function atMost(field: string, asked: number | undefined, max: number, setting: string): number {
  if (asked === undefined) return max;
  if (asked <= max) return asked;
  throw new AgentdError(
    "not_permitted",
    `Cannot give ${field} ${asked}: the operator permits ${max}. Ask for less, or raise ${setting} in the configuration`,
  );
}

function notPermitted(field: string, value: string, setting: string): AgentdError {
  return new AgentdError(
    "not_permitted",
    `Cannot use "${field}" ${JSON.stringify(value.slice(0, 200))}: the operator does not permit it. Leave it out, or add it to ${setting} in the configuration`,
  );
}
