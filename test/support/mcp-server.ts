/** An MCP server over HTTP with one tool, `weather {city}`, which answers `mild in CITY` and remembers who asked. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as z from "zod";

export interface HttpMcpServer {
  readonly url: string;
  /** The `Authorization` header of each request, in order. */
  readonly authorizations: readonly (string | undefined)[];
  /** The cities asked for, in order. */
  readonly calls: readonly string[];
  stop(): Promise<void>;
}

/** With `token` it refuses whoever does not send it. */
export async function startMcpServer({ token }: { token?: string } = {}): Promise<HttpMcpServer> {
  const authorizations: (string | undefined)[] = [];
  const calls: string[] = [];
  const http = createServer((request, response) => {
    const { authorization } = request.headers;
    authorizations.push(authorization);
    if (token !== undefined && authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    void (async () => {
      // One of each for a request: the server has no sessions.
      const server = weatherServer((city) => calls.push(city));
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
      response.on("close", () => void server.close());
      await server.connect(transport);
      await transport.handleRequest(request, response);
    })();
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    authorizations,
    calls,
    stop: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

function weatherServer(onCall: (city: string) => void): McpServer {
  const server = new McpServer({ name: "lab", version: "1.0.0" });
  server.registerTool(
    "weather",
    { description: "The weather of a city", inputSchema: { city: z.string() } },
    ({ city }) => {
      onCall(city);
      return { content: [{ type: "text", text: `mild in ${city}` }] };
    },
  );
  return server;
}
