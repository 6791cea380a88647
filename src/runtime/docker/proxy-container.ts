/** The proxy as a container: what the engine is asked for, what it can do, what it says. */
import type Docker from "dockerode";
import { AgentdError } from "../../protocol/error.ts";
import { type Engine, engineFault, isMissing, missingImage } from "./engine.ts";
import { withoutFrames } from "./log-follower.ts";

const memoryBytes = 256 * 1024 ** 2;
/** Where squid reads what sessions may reach, and how it goes out. */
export const policiesInside = "/etc/squid/policy";
export const wayOutInside = "/etc/squid/way-out";
/** On images whose squid reads that folder; a container has its image's labels too. */
const wayOutLabel = "agentruntime.way_out";

/** Whether it goes out as the daemon says. One of an earlier version goes by itself, whatever it is told. */
export function seesWayOut({ Mounts, Config }: Pick<Docker.ContainerInspectInfo, "Mounts" | "Config">): boolean {
  return Config.Labels[wayOutLabel] === "1" && Mounts.some(({ Destination }) => Destination === wayOutInside);
}

/** Rejects with `runtime_unavailable` when containers of this image could not be told how to go out. */
export async function checkProxyImage(engine: Engine, image: string): Promise<void> {
  const act = "use egress.upstream_proxy";
  const { Config } = await engine
    .getImage(image)
    .inspect()
    .catch((error: unknown) => {
      throw isMissing(error) ? missingImage(image, act) : engineFault(error, act);
    });
  if (Config.Labels?.[wayOutLabel] === "1") return;
  throw new AgentdError(
    "runtime_unavailable",
    `Cannot ${act}: the proxy's image "${image}" is of an earlier version and knows nothing of it. Run "agentd images build proxy"`,
  );
}

export function proxyOptions(wish: {
  name: string;
  labels: Record<string, string>;
  image: string;
  network: string;
  mounts: Docker.MountSettings[];
}): Docker.ContainerCreateOptions {
  return {
    name: wish.name,
    Image: wish.image,
    Labels: wish.labels,
    HostConfig: {
      NetworkMode: wish.network,
      Init: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      ReadonlyRootfs: true,
      PidsLimit: 64,
      Memory: memoryBytes,
      MemorySwap: memoryBytes,
      Ulimits: [{ Name: "nofile", Soft: 8192, Hard: 8192 }],
      // It stands in many networks and must be a bridge between none of them.
      Sysctls: { "net.ipv4.ip_forward": "0" },
      RestartPolicy: { Name: "unless-stopped" },
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "2" } },
      Tmpfs: { "/run/squid": "rw,nosuid,nodev,noexec,size=16m,uid=13,gid=13,mode=755" },
      Mounts: wish.mounts,
    },
  };
}

/** Runs a command in it to its end. */
export async function execute(
  engine: Engine,
  id: string,
  command: string[],
): Promise<{ code: number | null; said: string }> {
  const exec = await engine.getContainer(id).exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({ hijack: false, stdin: false });
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve) =>
    stream
      .on("data", (chunk: Buffer) => chunks.push(chunk))
      .on("end", resolve)
      .on("close", resolve)
      .on("error", () => resolve()),
  );
  const said = withoutFrames(Buffer.concat(chunks)).toString("utf8").trim();
  return { code: (await exec.inspect()).ExitCode, said };
}

export async function tailOf(container: Docker.Container): Promise<string> {
  try {
    const bytes = await container.logs({ follow: false, stdout: true, stderr: true, tail: 5 });
    return withoutFrames(bytes).toString("utf8").trim().slice(-1000);
  } catch {
    return "";
  }
}
