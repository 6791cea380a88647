/** Files that tell the CLI what may hold secrets: its command line can be read by every user of the machine. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { McpServerSpec } from "../../src/protocol/agent-options.ts";
import type { Bootstrap } from "../../src/protocol/bootstrap.ts";
import { defined } from "../../src/protocol/defined.ts";

export interface PrivateFiles {
  mcpConfig?: string;
  settings?: string;
}

/** Writes what there is into the run folder, which goes with the session; a sidecar started by hand has only its session's. */
export function writePrivateFiles({ config, socket_path, session_dir }: Bootstrap): PrivateFiles {
  const folder = socket_path === "" ? session_dir : dirname(socket_path);
  const write = (name: string, content: object) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
    return path;
  };
  const { mcp_servers: servers = [], native_settings: settings } = config;
  return defined({
    mcpConfig: servers.length === 0 ? undefined : write("mcp.json", mcpConfig(servers)),
    settings: settings === undefined ? undefined : write("settings.json", settings),
  });
}

export function mcpConfig(servers: readonly McpServerSpec[]): object {
  return { mcpServers: Object.fromEntries(servers.map((server) => [server.name, entry(server)])) };
}

function entry(server: McpServerSpec): object {
  if (server.type === "stdio") {
    const [command, ...args] = server.command;
    return { type: "stdio", command, args, env: server.env };
  }
  const headers = server.token === undefined ? {} : { headers: { Authorization: `Bearer ${server.token}` } };
  return { type: "http", url: server.url, ...headers };
}
