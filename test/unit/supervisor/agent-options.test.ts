import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { SessionRequest } from "../../../src/protocol/http.ts";
import { agentOptionsOf, checkExecutables } from "../../../src/supervisor/agent-options.ts";

const ask = (more: object = {}) => SessionRequest.parse({ agent: "claude", prompt: "hi", ...more });
const variable = (name: string) => `\${${name}}`;
const server = (more: object) => ask({ mcp_servers: [{ name: "lab", ...more }] });

describe("tool servers", () => {
  test.each<[string, object, unknown]>([
    [
      "a url makes it http",
      { url: "https://x.example/mcp", token: "t" },
      { type: "http", url: "https://x.example/mcp", token: "t" },
    ],
    [
      "the gateway is this machine",
      { url: `http://${variable("HOST_GATEWAY")}:81/mcp` },
      { type: "http", url: "http://127.0.0.1:81/mcp" },
    ],
    [
      "a cmd makes it stdio",
      { cmd: ["node", "x"], env: { A: "b" } },
      { type: "stdio", command: ["node", "x"], env: { A: "b" } },
    ],
  ])("%s", (_, given, expected) => {
    expect(agentOptionsOf(server(given), "claude").mcpServers).toEqual([{ name: "lab", ...(expected as object) }]);
  });

  test.each<[string, object, string]>([
    ["websocket", { type: "websocket", url: "ws://x" }, "invalid_request"],
    ["a file", { url: "file:///etc/passwd" }, "invalid_request"],
    ["no address", { url: "nonsense" }, "invalid_request"],
    ["neither url nor cmd", {}, "invalid_request"],
    ["an empty cmd", { cmd: [] }, "invalid_request"],
    ["http with a cmd", { url: "http://x", cmd: ["y"] }, "invalid_request"],
    ["stdio with a token", { cmd: ["y"], token: "t" }, "invalid_request"],
    ["a token with a line break", { url: "http://x", token: "a\r\nX-Evil: 1" }, "invalid_request"],
    ["a token that names a variable", { url: "http://x", token: variable("ANTHROPIC_API_KEY") }, "invalid_request"],
    ["a url that names a variable", { url: `http://x/?k=${variable("ANTHROPIC_API_KEY")}` }, "invalid_request"],
    ["a reserved variable", { cmd: ["y"], env: { LD_PRELOAD: "z" } }, "env_key_reserved"],
    ["a name with a slash", { name: "a/b", url: "http://x" }, "invalid_request"],
    ["a long name", { name: "a".repeat(65), url: "http://x" }, "invalid_request"],
  ])("%s is refused", (_, given, code) => {
    expect(() => agentOptionsOf(server(given), "claude")).toThrow(expect.objectContaining({ code }));
  });

  test("two of one name are refused, also when one is in claude.mcp_json", () => {
    const claude = { mcp_json: { mcpServers: { lab: { command: "x" } } } };
    expect(() => agentOptionsOf(ask({ claude, mcp_servers: [{ name: "lab", url: "http://x" }] }), "claude")).toThrow(
      'the MCP server "lab"',
    );
  });

  test("claude.mcp_json is the same in another form", () => {
    const mcpServers = {
      a: { type: "http", url: "http://x", headers: { Authorization: "Bearer t" } },
      b: { command: "node", args: ["y"], env: { A: "b" } },
    };
    expect(agentOptionsOf(ask({ claude: { mcp_json: { mcpServers } } }), "claude").mcpServers).toEqual([
      { type: "http", name: "a", url: "http://x", token: "t" },
      { type: "stdio", name: "b", command: ["node", "y"], env: { A: "b" } },
    ]);
  });

  test("what claude.mcp_json says beyond that is refused", () => {
    const mcpServers = { a: { type: "sse", url: "http://x" } };
    expect(() => agentOptionsOf(ask({ claude: { mcp_json: { mcpServers } } }), "claude")).toThrow(
      /^Cannot use claude\.mcp_json: "mcpServers\.a": expected \{url, .*\} or \{command, .*\}, and no other field$/,
    );
  });
});

describe("instructions", () => {
  test.each([
    [{ instructions: "be brief" }],
    [{ claude: { claude_md: "be brief" } }],
    [{ instructions: "be brief", claude: { claude_md: "be brief" } }],
  ])("%j are one", (more) => {
    expect(agentOptionsOf(ask(more), "claude").instructions).toBe("be brief");
  });
  test("two different ones are refused", () => {
    expect(() => agentOptionsOf(ask({ instructions: "a", claude: { claude_md: "b" } }), "claude")).toThrow(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });
  test("over 256 KiB are refused", () => {
    expect(SessionRequest.safeParse({ agent: "claude", instructions: "é".repeat(131_073) }).success).toBe(false);
  });
});

describe("what a request names to be run", () => {
  const config = loadConfig({ flags: { dataDir: "/nowhere/at/all" }, environment: {} });
  const { executables } = agentOptionsOf(
    ask({ mcp_servers: [{ name: "lab", cmd: ["x"] }], claude: { settings_json: { hooks: {}, model: "m" } } }),
    "claude",
  );
  test("is found in tool servers and settings", () => {
    expect(executables).toEqual(['the MCP server "lab"', '"hooks" in the agent\'s settings']);
  });
  test("needs the operator's permission", () => {
    expect(() => checkExecutables(executables, config)).toThrow(
      expect.objectContaining({ code: "executable_forbidden", status: 403 }),
    );
    expect(() => checkExecutables(executables, { ...config, allow_executables: true })).not.toThrow();
    expect(() => checkExecutables([], config)).not.toThrow();
  });
  test("settings that move keys are refused whatever the mode", () => {
    expect(() => agentOptionsOf(ask({ claude: { settings_json: { env: {} } } }), "claude")).toThrow(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });
});
