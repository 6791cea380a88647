/** MCP servers that a request brings along. */
import { expect } from "vitest";
import { hasResults, ofType, results } from "../../support/claude-daemon.ts";
import { type HttpMcpServer, startMcpServer } from "../../support/mcp-server.ts";
import type { Bench } from "../bench.ts";
import type { Case } from "../case.ts";

const isTold = (data: Record<string, unknown>) => data["subtype"] === "mcp_server_failed";

/** The tool server, and the address by which the agent reaches it. */
async function withServer(
  bench: Bench,
  options: { token?: string },
  use: (server: HttpMcpServer, url: string) => Promise<void>,
): Promise<void> {
  const server = await startMcpServer(options);
  try {
    await use(server, `${await bench.place.reach("tools", server.url)}/mcp`);
  } finally {
    await server.stop();
  }
}

export const toolServerCases: readonly Case[] = [
  {
    name: "calls a tool of an MCP server over HTTP, with its token",
    capability: "mcp_http",
    run: (bench) =>
      withServer(bench, { token: "sesame" }, async (server, url) => {
        const mcp_servers = [{ name: "lab", url, token: "sesame" }];
        const session = await bench.create({ prompt: bench.agent.words.weather, mcp_servers });
        const events = await session.log();
        expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
        expect(ofType(events, "tool_use")).toMatchObject([{ input: { city: "Rome" } }]);
        expect(ofType(events, "tool_result")).toMatchObject([
          { output: expect.stringContaining("mild in Rome"), is_error: false },
        ]);
        expect(server.calls).toEqual(["Rome"]);
        expect(JSON.stringify(events)).not.toContain("sesame");
      }),
  },
  {
    name: "runs an MCP server of its own, which is gone with the session",
    capability: "mcp_stdio",
    run: async (bench) => {
      const mcp_servers = [{ name: "lab", cmd: bench.place.toolServer, env: { GREETING: "windy" } }];
      const session = await bench.create({ prompt: bench.agent.words.weather, mcp_servers });
      const events = await session.log();
      expect(JSON.stringify(ofType(events, "tool_result"))).toContain("windy in Rome");
      await session.allGone();
    },
  },
  {
    name: "asks a person before it calls an MCP tool",
    capability: "interactive",
    run: (bench) =>
      withServer(bench, {}, async (server, url) => {
        const mcp_servers = [{ name: "lab", url }];
        const session = await bench.create({ interactive: true, permission_mode: "interactive", mcp_servers });
        const denied = await session.prompt(bench.agent.words.weather);
        const first = await session.question(denied);
        expect(first).toMatchObject({ kind: "permission" });
        await session.respond(first.request_id, { decision: "deny" });
        await session.turnEnd(denied);
        expect(server.calls).toEqual([]);
        const approved = await session.prompt(`again ${bench.agent.words.weather}`);
        await session.respond((await session.question(approved)).request_id, { decision: "approve_once" });
        await session.turnEnd(approved);
        expect(server.calls).toEqual(["Rome"]);
        await session.end();
      }),
  },
  {
    name: "works on without an MCP server that is not there",
    capability: "mcp_http",
    run: async (bench) => {
      const mcp_servers = [{ name: "gone", cmd: ["/nowhere/server"] }];
      const session = await bench.create({ prompt: "hello", interactive: true, mcp_servers });
      const isSaid = !bench.agent.differs.silentServers;
      const events = await session.log((all) => hasResults(1)(all) && (!isSaid || ofType(all, "system").some(isTold)));
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      if (isSaid) expect(ofType(events, "system").find(isTold)).toMatchObject({ server: "gone" });
      else expect(ofType(events, "system").some(isTold)).toBe(false);
      await session.end();
      return isSaid ? undefined : "it does not say so";
    },
  },
];
