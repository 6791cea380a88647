/** Building the images of containers, and of a daemon in one, for the command line. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "./config.ts";
import { engineAddress } from "./docker-settings.ts";
import { AgentdError } from "./protocol/error.ts";
import type { ImageKind } from "./runtime/docker/build-images.ts";

export interface ImagesWish {
  kinds: readonly ImageKind[];
  /** The engine; else DOCKER_HOST, else Docker's standard socket. */
  host: string | undefined;
  bases: Partial<Record<ImageKind, string>>;
  onLine(line: string): void;
}

export const imageTags: Readonly<Record<ImageKind, string>> = {
  agent: "agentruntime-agent:latest",
  proxy: "agentruntime-proxy:latest",
  daemon: "agentruntime-daemon:latest",
};

export async function buildImages({ kinds, host, bases, onLine }: ImagesWish): Promise<void> {
  const { buildImage } = await import("./runtime/docker/build-images.ts");
  for (const kind of kinds) {
    const tag = imageTags[kind];
    onLine(`Building ${tag}`);
    const bytes = await buildImage({
      engine: engineAddress({ host }, readEnvironment()),
      packageDir: packageDir(),
      kind,
      tag,
      base: bases[kind],
      onLine: (line) => onLine(`  ${line}`),
    });
    onLine(`${tag} is there: ${Math.round(bytes / 1e6)} MB`);
  }
}

/** The folder that holds docker/ and dist/: that of the package, or of the checkout. */
function packageDir(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const found = [join(here, "..")].find((folder) => existsSync(join(folder, "docker", "Dockerfile.agent")));
  if (found === undefined)
    throw new AgentdError("internal", `Cannot find the folder "docker" beside "${here}": install agentruntime again`);
  return found;
}
