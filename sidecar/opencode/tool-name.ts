/** What a tool of OpenCode does, and whose it is. Names change between versions: an unknown one is `other`. */
import type { ToolKind } from "../../src/protocol/event.ts";
import type { ToolName } from "../tool-calls.ts";

const kinds: Readonly<Record<string, ToolKind>> = {
  read: "read",
  skill: "read",
  write: "edit",
  edit: "edit",
  multiedit: "edit",
  patch: "edit",
  apply_patch: "edit",
  glob: "search",
  grep: "search",
  list: "search",
  lsp: "search",
  codesearch: "search",
  bash: "execute",
  webfetch: "fetch",
  websearch: "fetch",
  task: "think",
  todowrite: "think",
  todoread: "think",
};

/** A tool of an MCP server is called SERVER_TOOL, so it takes the names of the servers to tell where one ends. */
export function toolNameOf(called: string, servers: readonly string[]): ToolName {
  const server = servers
    .filter((name) => called.startsWith(`${inTool(name)}_`))
    .toSorted((a, b) => b.length - a.length)[0];
  if (server !== undefined) return { name: called.slice(inTool(server).length + 1), kind: "other", server };
  return { name: called, kind: Object.hasOwn(kinds, called) ? (kinds[called] ?? "other") : "other" };
}

/** As the program writes a server's name into the names of its tools. */
const inTool = (server: string) => server.replace(/[^a-zA-Z0-9_-]/g, "_");
