/** Sessions as processes of this machine. */
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { tempDir } from "../support/temp-dir.ts";
import type { Place } from "./place.ts";

const fixtures = fileURLToPath(new URL("../fixtures/agents/", import.meta.url));

export async function onThisMachine(): Promise<Place> {
  return {
    runtime: "local",
    config: {},
    entry: (_name, entry) => ({ ...entry }),
    injected: (_name, entry, { file, lines }) => ({
      ...entry,
      command: `${fixtures}${file}`,
      env: { ...entry.env, INJECT_PROGRAM: entry.command, INJECT_LINES: lines },
    }),
    request: {},
    toolServer: [process.execPath, `${fixtures}mcp-stdio.mjs`],
    ownDir: async () => undefined,
    workDir: tempDir,
    inside: (path) => path,
    reach: async (_service, url) => new URL(url).origin,
    nobody: async () => `http://127.0.0.1:${await closedPort()}`,
    close: async () => undefined,
  };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
