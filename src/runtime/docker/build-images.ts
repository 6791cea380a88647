/** Builds the images of the docker runtime, and that of the daemon itself, with the engine's own builder. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type Docker from "dockerode";
import { AgentdError } from "../../protocol/error.ts";
import { engineFault, openEngine } from "./engine.ts";
import type { EngineAddress } from "./engine-address.ts";

export type ImageKind = "agent" | "proxy" | "daemon";

export interface BuildOptions {
  engine: EngineAddress;
  /** The installed package: its folders docker and dist. */
  packageDir: string;
  kind: ImageKind;
  tag: string;
  /** Instead of the one that the Dockerfile names. */
  base: string | undefined;
  /** A line of what the builder says. */
  onLine(line: string): void;
}

/** What each image is made of, relative to the package: files, and whole folders. */
const sources: Readonly<Record<ImageKind, readonly string[]>> = {
  agent: ["docker/Dockerfile.agent", "dist/sidecar.js"],
  proxy: [
    "docker/Dockerfile.proxy",
    "docker/squid.conf",
    "docker/way-out.conf",
    "docker/ERR_EGRESS_DENIED",
    "docker/egress-policy.pl",
    "docker/probe.pl",
  ],
  daemon: ["docker", "dist", "package.json"],
};

/** Resolves with the image's size in bytes. Rejects with what the builder said last when a step fails. */
export async function buildImage(options: BuildOptions): Promise<number> {
  const { packageDir, kind, tag, base, onLine } = options;
  const act = `build the image "${tag}"`;
  const missing = sources[kind].find((path) => !existsSync(join(packageDir, path)));
  if (missing !== undefined)
    throw new AgentdError(
      "internal",
      `Cannot ${act}: "${join(packageDir, missing)}" is missing. Install agentruntime again, or run "npm run build" in a checkout`,
    );
  const engine = await openEngine(options.engine);
  try {
    const stream = await engine.buildImage(
      { context: packageDir, src: sources[kind].flatMap((path) => filesOf(packageDir, path)) },
      {
        t: tag,
        dockerfile: `docker/Dockerfile.${kind}`,
        rm: true,
        forcerm: true,
        ...(base === undefined ? {} : { buildargs: { BASE_IMAGE: base } }),
      },
    );
    await follow(engine, stream, { act, onLine });
    return (await engine.getImage(tag).inspect()).Size;
  } catch (error) {
    throw engineFault(error, act);
  }
}

/** File by file: what .dockerignore says of folders is for the docker command. */
function filesOf(packageDir: string, path: string): string[] {
  if (!statSync(join(packageDir, path)).isDirectory()) return [path];
  return readdirSync(join(packageDir, path), { recursive: true, encoding: "utf8" })
    .map((name) => join(path, name))
    .filter((name) => statSync(join(packageDir, name)).isFile());
}

/** The engine answers 200 and tells of a failed step in the stream: its end alone says nothing. */
async function follow(
  engine: Docker,
  stream: NodeJS.ReadableStream,
  { act, onLine }: { act: string; onLine(line: string): void },
): Promise<void> {
  let failure: string | undefined;
  let last = "";
  const onItem = (item: { stream?: string; status?: string; error?: string }) => {
    if (item.error !== undefined) failure = item.error;
    for (const line of (item.stream ?? item.status ?? "").split("\n")) {
      if (line.trim() === "") continue;
      last = line.trim();
      onLine(line.trimEnd());
    }
  };
  await new Promise<void>((resolve, reject) => {
    engine.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()), onItem);
  });
  if (failure === undefined) return;
  const advice = /manifest|pull access|registry|no such host|dial tcp|not found/i.test(failure)
    ? ". If no registry can be reached, name a base image that is there with --agent-base, --proxy-base or --daemon-base (docker/base-image.sh makes one)"
    : "";
  throw new AgentdError("launch_failed", `Cannot ${act}: ${failure.trim()}${last ? `, behind: ${last}` : ""}${advice}`);
}
