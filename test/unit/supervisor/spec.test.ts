import { describe, expect, test } from "vitest";
import { loadConfig } from "../../../src/config.ts";
import { SessionRequest } from "../../../src/protocol/http.ts";
import { agentOptionsOf } from "../../../src/supervisor/agent-options.ts";
import { bootstrapOf } from "../../../src/supervisor/bootstrap.ts";
import { checkHonoured } from "../../../src/supervisor/honoured.ts";
import { agentHomeOf, checkNames, checkSessionId, inputTimeoutOf, specOf } from "../../../src/supervisor/spec.ts";

const config = loadConfig({ flags: { dataDir: "/nowhere/at/all" }, environment: {} });
const ask = (more: object = {}) => SessionRequest.parse({ agent: "claude", prompt: "hi", ...more });
const id = "01234567-89AB-cdef-0123-456789abcdef";

describe("session ids", () => {
  test.each([id, `urn:uuid:${id}`, `{${id}}`, id.replaceAll("-", ""), `urn:uuid:{${id}}`])(
    "%s is taken, its case kept",
    (given) => {
      expect(checkSessionId(given)).toBe(id);
    },
  );
  test.each(["", "x", `${id}0`, id.slice(1), `${id}\n`, "../../../../etc/passwd", "history"])(
    "%j is refused",
    (given) => {
      expect(() => checkSessionId(given)).toThrow(expect.objectContaining({ code: "invalid_session_id" }));
    },
  );
});

describe("names", () => {
  test.each([
    [{ prompt: " " }, "invalid_request"],
    [{ prompt: undefined }, "invalid_request"],
    [{ runtime: "docker" }, "unknown_runtime"],
    [{ runtime: "local-pipe" }, "unknown_runtime"],
    [{ runtime: "" }, "unknown_runtime"],
    [{ agent: "cobol" }, "unknown_agent"],
    [{ agent: "constructor" }, "unknown_agent"],
    [{ agent: "../claude" }, "unknown_agent"],
  ])("%j is %s", (more, code) => {
    expect(() => checkNames(ask(more), config)).toThrow(expect.objectContaining({ code }));
  });
  test("an interactive session needs no prompt", () => {
    expect(checkNames(ask({ prompt: undefined, interactive: true }), config)).toEqual({
      agent: "claude",
      runtime: "local",
    });
  });
});

describe("what cannot be honoured is refused, naming the field", () => {
  test.each([
    ["container", { container: { image: "x" } }, "unsupported_by_runtime"],
    ["volumes", { volumes: ["/a:/b"] }, "unsupported_by_runtime"],
    ["mounts", { mounts: [{ host: "/a", container: "/b" }] }, "unsupported_by_runtime"],
    ["pty", { pty: true }, "unsupported_by_runtime"],
    ["persist_session", { persist_session: true }, "unsupported_by_runtime"],
    ["lifecycle", { lifecycle: {} }, "unsupported_by_agent"],
    ["team", { team: {} }, "unsupported_by_agent"],
    ["claude.credentials_path", { claude: { credentials_path: "/x" } }, "unsupported_by_runtime"],
    ["claude.memory_path", { claude: { memory_path: "/x" } }, "unsupported_by_runtime"],
    ["claude.output_format", { claude: { output_format: "json" } }, "unsupported_by_agent"],
    ["codex.approval_mode", { agent: "codex", codex: { approval_mode: "auto-edit" } }, "unsupported_by_agent"],
    ["codex.instructions", { codex: { instructions: "x" } }, "unsupported_by_agent"],
    ["opencode.config", { opencode: { config: {} } }, "unsupported_by_agent"],
    ["acp.mode", { acp: { mode: "plan" } }, "unsupported_by_agent"],
    ["agent_name", { agent: "codex", agent_name: "reviewer" }, "unsupported_by_agent"],
    ["output_schema", { agent: "acp", output_schema: {} }, "unsupported_by_agent"],
  ])("%s", (field, more, code) => {
    expect(() => checkHonoured(ask(more), "local", config)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(`"${field}"`) }),
    );
  });
  test.each([
    [
      "a question that nobody could answer",
      { agent: "codex", codex: { approval_mode: "suggest" } },
      "unsupported_by_agent",
    ],
    ["another agent's block", { agent: "codex", claude: { bare: true } }, "unsupported_by_agent"],
    ["a fork of nothing", { fork: true }, "invalid_request"],
  ])("%s", (_, more, code) => {
    expect(() => checkHonoured(ask(more), "local", config)).toThrow(expect.objectContaining({ code }));
  });
  test("what is the default anyway is no obstacle", () => {
    const request = ask({ agent: "codex", codex: { approval_mode: "full-auto" } });
    expect(() => checkHonoured(request, "local", config)).not.toThrow();
  });
  test("the one output format that events are made of may be named", () => {
    expect(() => checkHonoured(ask({ claude: { output_format: "stream-json" } }), "local", config)).not.toThrow();
  });
  test.each(["max_turns", "output_schema", "agent_name"] as const)("%s, by an ACP agent", (field) => {
    const acp = {
      ...config,
      agents: { kit: { args: [], env: {}, hide_key: false, redact: [], command: "kit", harness: "acp" as const } },
    };
    const value = { max_turns: 3, output_schema: {}, agent_name: "x" }[field];
    const request = SessionRequest.parse({ agent: "kit", prompt: "hi", [field]: value });
    expect(() => checkHonoured(request, "local", acp)).toThrow(
      expect.objectContaining({ code: "unsupported_by_agent", message: expect.stringContaining(`"${field}"`) }),
    );
  });
  test.each(["model", "effort", "max_turns"] as const)("%s, by a plain command", (field) => {
    const plain = loadConfig({ flags: { dataDir: "/nowhere/at/all" }, environment: {} });
    const settings = {
      ...plain,
      agents: {
        echo: { args: [], env: {}, hide_key: false, redact: [], command: "echo", harness: "generic" as const },
      },
    };
    const request = SessionRequest.parse({ agent: "echo", prompt: "hi", [field]: field === "max_turns" ? 3 : "x" });
    expect(() => checkHonoured(request, "local", settings)).toThrow(
      expect.objectContaining({ code: "unsupported_by_agent" }),
    );
  });
  test("fields that say nothing are no obstacle", () => {
    expect(() =>
      checkHonoured(
        ask({ volumes: [], mounts: [], pty: false, persist_session: false, codex: {}, mcp_servers: [] }),
        "local",
        config,
      ),
    ).not.toThrow();
  });
});

describe("how long a question waits", () => {
  const patient = { ...config, limits: { ...config.limits, input_timeout: "none" as const } };
  const hurried = { ...config, limits: { ...config.limits, input_timeout: 5000 } };
  test.each([
    ["for ever where people are at hand", ask({ interactive: true }), config, undefined],
    ["ten minutes where they are not", ask(), config, 600_000],
    ["as the request says", ask({ input_timeout: "90s" }), config, 90_000],
    ["for ever if the request says so", ask({ input_timeout: "none" }), hurried, undefined],
    ["as the configuration says", ask({ interactive: true }), hurried, 5000],
    ["for ever if the configuration says so", ask(), patient, undefined],
  ])("%s", (_, request, settings, ms) => {
    expect(inputTimeoutOf(request, settings)).toBe(ms);
  });
});

describe("the agent's home", () => {
  const withKey = loadConfig({ flags: { dataDir: "/nowhere/at/all" }, environment: { K: "x" } });
  const keyed = {
    ...withKey,
    agents: { claude: { args: [], env: {}, hide_key: false, redact: [], key_env: "K", harness: "claude" as const } },
  };
  test.each([
    ["no key", ask(), config, "user"],
    ["a key of the request", ask({ env: { ANTHROPIC_API_KEY: "x" } }), config, "private"],
    ["another variable of the request", ask({ env: { FOO: "x" } }), config, "user"],
    ["a key of the configuration", ask(), keyed, "private"],
    ["a key that the daemon has not", ask(), { ...keyed, environment: {} }, "user"],
    ["the request's word", ask({ agent_home: "user", env: { ANTHROPIC_API_KEY: "x" } }), config, "user"],
  ])("%s", (_, request, settings, home) => {
    expect(agentHomeOf(request, settings, "local")).toBe(home);
  });
});

test("a spec holds what was asked for and no secret", () => {
  const request = ask({
    env: { ANTHROPIC_API_KEY: "secret" },
    timeout: "90s",
    turn_timeout: "1m",
    claude: { max_turns: 3, bare: true, settings_json: { language: "secret" } },
    mcp_servers: [{ name: "lab", url: "http://127.0.0.1/mcp", token: "secret" }],
    instructions: "be brief",
    agent_name: "reviewer",
    output_schema: { type: "object" },
    max_budget_usd: 2,
    tags: { a: "b" },
    name: "n",
    permission_mode: "interactive",
  });
  const found = {
    id,
    agent: "claude",
    runtime: "local",
    workDir: "/w",
    isScratch: false,
    agentHome: "user" as const,
    homeOf: id,
    resumeAgentSession: undefined,
    container: undefined,
    egress: undefined,
    inputTimeoutMs: 5000,
    options: agentOptionsOf(request, "claude"),
    traceparent: undefined,
    request: undefined,
    resources: undefined,
    createdBy: "ci",
    createdAt: 5,
  };
  const spec = specOf(request, found);
  expect(JSON.stringify(spec)).not.toContain("secret");
  expect(spec).toEqual({
    session_id: id,
    name: "n",
    tags: { a: "b" },
    agent: "claude",
    runtime: "local",
    interactive: false,
    work_dir: "/w",
    work_dir_is_scratch: false,
    agent_home: "user",
    home_of: id,
    permission_mode: "interactive",
    input_timeout_ms: 5000,
    max_turns: 3,
    bare: true,
    instructions: "be brief",
    agent_name: "reviewer",
    output_schema: { type: "object" },
    max_budget_usd: 2,
    trust_workspace: false,
    keep_raw: false,
    created_by: "ci",
    created_at: 5,
    timeout_ms: 90_000,
    turn_timeout_ms: 60_000,
  });
  const { config: handedOver } = bootstrapOf({
    spec,
    requestEnv: {},
    secretEnv: [],
    options: found.options,
    config,
    place: {
      sessionDir: "/data/s",
      socketPath: "/run/x/s",
      workDir: "/w",
      privateHome: undefined,
      temporaryDir: "/run/x/t",
      keeperSocket: { path: "/run/x/k", seenAs: "/run/x/k", isOpen: false },
      loginFile: undefined,
      hostDoors: undefined,
      environment: {},
      programOf: ({ name }) => name,
    },
    doorOf: () => undefined,
  });
  expect(handedOver).toMatchObject({
    instructions: "be brief",
    agent_name: "reviewer",
    output_schema: { type: "object" },
    max_budget_usd: 2,
    mcp_servers: [{ type: "http", name: "lab", url: "http://127.0.0.1/mcp", token: "secret" }],
    native_settings: { language: "secret" },
  });
});
