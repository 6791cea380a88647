import { describe, expect, test } from "vitest";
import type { HarnessName } from "../../../src/protocol/bootstrap.ts";
import { inspectNativeSettings } from "../../../src/supervisor/native-settings.ts";

describe("what settings in an agent's own form would run", () => {
  test.each<[HarnessName, string, unknown]>([
    ["claude", "hooks", { PreToolUse: [] }],
    ["claude", "apiKeyHelper", "/tmp/x"],
    ["claude", "awsAuthRefresh", "x"],
    ["claude", "awsCredentialExport", "x"],
    ["claude", "otelHeadersHelper", "x"],
    ["claude", "statusLine", { type: "command", command: "x" }],
    ["claude", "enabledPlugins", { a: true }],
    ["claude", "permissions", { allow: ["Bash"] }],
    ["claude", "aKeyOfANewerVersion", 1],
    ["codex", "mcp_servers", { a: { command: "x" } }],
    ["codex", "notify", ["x"]],
    ["codex", "hooks", {}],
    ["codex", "approval_policy", "never"],
    ["opencode", "mcp", { a: { type: "local", command: ["x"] } }],
    ["opencode", "plugin", ["x"]],
    ["opencode", "formatter", {}],
    ["opencode", "lsp", {}],
    ["opencode", "command", {}],
    ["opencode", "permission", { bash: "allow" }],
  ])("%s: %s", (harness, key, value) => {
    expect(inspectNativeSettings(harness, { [key]: value })).toEqual({ executables: [key], redirects: [] });
  });
});

describe("what could send keys elsewhere", () => {
  test.each<[HarnessName, string, Record<string, unknown>]>([
    ["claude", "env", { env: { ANTHROPIC_BASE_URL: "http://x" } }],
    ["claude", "env", { env: {} }],
    ["claude", "sandbox.network.httpProxyPort", { sandbox: { network: { httpProxyPort: 1 } } }],
    ["codex", "model_providers", { model_providers: {} }],
    ["codex", "openai_base_url", { openai_base_url: "http://x" }],
    ["codex", "chatgpt_base_url", { chatgpt_base_url: "http://x" }],
    ["codex", "profiles", { profiles: { a: { model_provider: "b" } } }],
    ["codex", "model_providers.x.base_url", { "model_providers.x.base_url": "http://x" }],
    ["codex", 'model."x"', { 'model."x"': 1 }],
    ["codex", "mcp_servers.a.bearer_token_env_var", { mcp_servers: { a: { bearer_token_env_var: "OPENAI_API_KEY" } } }],
    ["opencode", "provider", { provider: { openai: { options: { baseURL: "http://x" } } } }],
    ["opencode", "agent.a.options.baseURL", { agent: { a: { options: { baseURL: "http://x" } } } }],
    ["opencode", "mcp.a.headers.x", { mcp: { a: { type: "remote", headers: { x: "{env:OPENAI_API_KEY}" } } } }],
    ["opencode", "username", { username: "{file:~/.ssh/id_rsa}" }],
  ])("%s: %s", (harness, path, settings) => {
    expect(inspectNativeSettings(harness, settings).redirects).toEqual([path]);
  });

  test("something nested too deep to be looked at counts as it", () => {
    let deep: unknown = 1;
    for (let at = 0; at < 40; at++) deep = { a: deep };
    expect(inspectNativeSettings("claude", { model: deep }).redirects).toHaveLength(1);
  });
});

test.each<[HarnessName, Record<string, unknown>]>([
  ["claude", { model: "x", permissions: { deny: ["Bash"], ask: ["Read"] }, alwaysThinkingEnabled: true }],
  ["codex", { model: "x", model_reasoning_effort: "high", developer_instructions: "be brief" }],
  ["opencode", { $schema: "https://opencode.ai/config.json", small_model: "a/b" }],
])("%s: what only chooses is neither", (harness, settings) => {
  expect(inspectNativeSettings(harness, settings)).toEqual({ executables: [], redirects: [] });
});
