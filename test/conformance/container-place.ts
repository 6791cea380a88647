/** Sessions in containers: whatever they reach is a name of the little internet behind the proxy. */
import { chown } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startDockerWorld } from "../support/docker-world.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import type { Place } from "./place.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

const names = { model: "api.model.test", tools: "tools.model.test", nobody: "nobody.model.test" } as const;
/** Programs of the tests, in the container. */
const lab = "/mnt/lab";
/** As whom containers run here: the tests may be root, and root's folders would not do. */
const user = { uid: 1000, gid: 1000 };

export async function inContainers(): Promise<Place> {
  const world = await startDockerWorld([names.model, names.tools], { silent: [names.nobody] });
  return {
    runtime: "docker",
    config: { ...world.config, runtime: "docker", egress: { allow: [names.tools] } },
    entry: (name, entry) => ({ ...entry, command: name }),
    injected: (name, entry, { file, lines }) => ({
      ...entry,
      command: `${lab}/agents/${file}`,
      env: { ...entry.env, INJECT_PROGRAM: name, INJECT_LINES: lines },
    }),
    request: {
      mounts: [
        { host: path("../fixtures/agents"), container: `${lab}/agents`, mode: "ro" },
        { host: path("../../node_modules"), container: `${lab}/node_modules`, mode: "ro" },
      ],
    },
    toolServer: ["node", `${lab}/agents/mcp-stdio.mjs`],
    ownDir: ownFolder,
    workDir: ownFolder,
    inside: (file) => join("/workspace", file.slice(dirname(file).length)),
    reach: async (service, url) => {
      await world.serve(names[service], url);
      return `https://${names[service]}`;
    },
    nobody: async () => `https://${names.nobody}`,
    close: () => world.stop(),
  };
}

async function ownFolder(): Promise<TempDir> {
  const folder = await tempDir();
  if (process.getuid?.() === 0) await chown(folder.path, user.uid, user.gid);
  return folder;
}
