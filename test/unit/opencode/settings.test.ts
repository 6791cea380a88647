import { describe, expect, it } from "vitest";
import { serveSettings } from "../../../sidecar/opencode/settings.ts";
import { type AgentConfig, type Bootstrap, defaultSidecarLimits } from "../../../src/protocol/bootstrap.ts";
import { agentEnv } from "../../../src/supervisor/agent-env.ts";

interface Asked {
  config?: AgentConfig;
  settings?: Partial<Parameters<typeof agentEnv>[0]["settings"]>;
  home?: "private" | "user";
}

const daemon = {
  PATH: "/bin",
  HOME: "/home/person",
  XDG_CONFIG_HOME: "/home/person/.config",
  KEY: "a key",
  OPENAI_API_KEY: "another",
};

function settingsOf({ config = {}, settings = {}, home = "private" }: Asked = {}) {
  const env = agentEnv({
    harness: "opencode",
    daemon,
    settings: { env: {}, ...settings },
    request: {},
    privateHome: home === "private" ? "/data/home" : undefined,
    temporaryDir: "/run/t",
  });
  const bootstrap: Bootstrap = {
    protocol: 1,
    session_id: "s",
    session_dir: "/data/s",
    socket_path: "/run/s",
    token: "t",
    agent: { name: "opencode", harness: "opencode", command: ["opencode"], env },
    work_dir: "/work",
    config,
    interactive: true,
    keep_raw: false,
    limits: defaultSidecarLimits,
  };
  const start = {
    bootstrap,
    port: 1234,
    password: "secret",
    plugin: "file:///p.js",
    instructions: ["/work/AGENTS.md"],
  };
  const found = serveSettings(start);
  return { ...found, content: JSON.parse(found.env["OPENCODE_CONFIG_CONTENT"] ?? "null") };
}

describe("in a private home", () => {
  it("everything is below it, one service is known, and nothing else is asked", () => {
    const { command, env, content } = settingsOf({ settings: { key_env: "KEY", base_url: "http://model:1" } });
    expect(command).toEqual(["opencode", "serve", "--hostname", "127.0.0.1", "--port", "1234"]);
    expect(env).toMatchObject({
      HOME: "/data/home",
      XDG_CONFIG_HOME: "/data/home/.agentruntime/config",
      XDG_DATA_HOME: "/data/home/.agentruntime/data",
      OPENCODE_SERVER_PASSWORD: "secret",
      OPENCODE_DISABLE_MODELS_FETCH: "1",
      OPENCODE_DISABLE_AUTOUPDATE: "1",
      OPENCODE_DISABLE_DEFAULT_PLUGINS: "1",
      OPENCODE_DISABLE_PROJECT_CONFIG: "1",
    });
    expect(content).toMatchObject({
      autoupdate: false,
      share: "disabled",
      enabled_providers: ["anthropic"],
      provider: { anthropic: { options: { baseURL: "http://model:1/v1", apiKey: "a key" } } },
      plugin: ["file:///p.js"],
      instructions: ["/work/AGENTS.md"],
    });
    // The agent's commands see its environment.
    expect(Object.keys(env)).not.toContain("OPENCODE_MODEL_API_KEY");
    expect(Object.keys(env)).not.toContain("OPENCODE_MODEL_BASE_URL");
  });

  it("the service follows the model, or the key", () => {
    const byModel = settingsOf({ config: { model: "lab/m/1" }, settings: { base_url: "http://lab/v1/" } });
    expect(byModel.model).toEqual({ providerID: "lab", modelID: "m/1" });
    expect(byModel.content).toMatchObject({
      model: "lab/m/1",
      small_model: "lab/m/1",
      enabled_providers: ["lab"],
      provider: {
        lab: { npm: "@ai-sdk/openai-compatible", options: { baseURL: "http://lab/v1" }, models: { "m/1": {} } },
      },
    });
    const byKey = settingsOf({ config: { model: "m1" }, settings: { key_env: "OPENAI_API_KEY" } });
    expect(byKey.model).toEqual({ providerID: "openai", modelID: "m1" });
    expect(byKey.env["OPENAI_API_KEY"]).toBe("another");
  });

  it("a trusted checkout's configuration acts", () => {
    expect(settingsOf({ config: { trust_workspace: true } }).env).not.toHaveProperty("OPENCODE_DISABLE_PROJECT_CONFIG");
  });
});

describe("in a person's home", () => {
  it("their folders, services and login stay as they are", () => {
    const { env, content } = settingsOf({ home: "user" });
    expect(env).toMatchObject({ HOME: "/home/person", XDG_CONFIG_HOME: "/home/person/.config" });
    expect(env).not.toHaveProperty("OPENCODE_DISABLE_DEFAULT_PLUGINS");
    for (const theirs of ["provider", "enabled_providers", "model", "snapshot"])
      expect(content).not.toHaveProperty(theirs);
  });
});

describe("permissions", () => {
  it("are all given to an autonomous agent, which asks nothing", () => {
    expect(settingsOf().content.permission).toMatchObject({
      "*": "allow",
      external_directory: "allow",
      doom_loop: "allow",
      question: "deny",
    });
  });

  it("are asked for by an interactive one", () => {
    const { permission } = settingsOf({ config: { permission_mode: "interactive" } }).content;
    expect(permission).toMatchObject({ "*": "ask", read: { "*": "allow", "*.env": "ask" }, question: "allow" });
    // The last rule that fits counts.
    expect(Object.keys(permission)[0]).toBe("*");
  });

  it("of the operator come last", () => {
    const OPENCODE_CONFIG_CONTENT = JSON.stringify({ theme: "x", permission: { bash: "deny" }, share: "auto" });
    const { content } = settingsOf({ settings: { env: { OPENCODE_CONFIG_CONTENT } } });
    expect(Object.entries(content.permission).at(-1)).toEqual(["bash", "deny"]);
    expect(content).toMatchObject({ theme: "x", share: "disabled" });
  });

  it("that cannot be read are refused in a sentence", () => {
    expect(() => settingsOf({ settings: { env: { OPENCODE_CONFIG_CONTENT: "[" } } })).toThrow("not a JSON object");
  });
});

it("the limit of retries is the operator's", () => {
  expect(settingsOf().retriesMax).toBe(6);
  expect(settingsOf({ settings: { env: { OPENCODE_MAX_RETRIES: "2" } } }).retriesMax).toBe(2);
});

it("leaves references to variables and files to the operator", () => {
  const text = "see {env:KEY} and {file:/etc/passwd}";
  const { env, content } = settingsOf({
    config: { mcp_servers: [{ type: "stdio", name: "lab", command: ["server", text], env: { A: text } }] },
    settings: { env: { OPENCODE_CONFIG_CONTENT: JSON.stringify({ username: "{env:KEY}" }) } },
  });
  expect(content.mcp.lab).toMatchObject({ command: ["server", text], environment: { A: text } });
  const written = env["OPENCODE_CONFIG_CONTENT"] ?? "";
  expect(written.match(/\{(env|file):/g)).toEqual(["{env:"]);
  expect(content.username).toBe("{env:KEY}");
});

describe("settings over settings", () => {
  const operators = { mcp: { desk: { type: "local", command: ["desk"] } }, permission: { bash: "ask" } };
  const env = { OPENCODE_CONFIG_CONTENT: JSON.stringify(operators) };

  it("a request's lie beside the operator's, and over them member by member", () => {
    const native_settings = {
      mcp: { desk: { enabled: false }, shelf: { type: "local", command: ["shelf"] } },
      permission: { edit: "deny" },
    };
    const { content } = settingsOf({ config: { native_settings }, settings: { env } });
    expect(content.mcp).toEqual({
      desk: { type: "local", command: ["desk"], enabled: false },
      shelf: { type: "local", command: ["shelf"] },
    });
    expect(content.permission).toMatchObject({ "*": "allow", bash: "ask", edit: "deny" });
  });

  it("one rule for all is over all of ours", () => {
    const { content } = settingsOf({ config: { native_settings: { permission: "ask" } } });
    expect(Object.entries(content.permission).at(-1)).toEqual(["*", "ask"]);
  });
});
