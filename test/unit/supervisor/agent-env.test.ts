import { expect, test } from "vitest";
import type { HarnessName } from "../../../src/protocol/bootstrap.ts";
import { type AgentEnvOptions, agentEnv } from "../../../src/supervisor/agent-env.ts";

const plain: AgentEnvOptions = {
  harness: "claude",
  daemon: {
    PATH: "/bin",
    HOME: "/home/me",
    LANG: "C",
    LC_ALL: "C",
    SECRET: "x",
    ANTHROPIC_API_KEY: "daemon-key",
    XDG_CONFIG_HOME: "/home/me/.config",
  },
  settings: { env: {} },
  request: {},
  privateHome: undefined,
  temporaryDir: "/run/t",
};

/** What Claude Code has besides in a person's home. */
const own = { CLAUDE_CODE_TMPDIR: "/run/t" };

test("an agent gets what is on the list of the daemon's environment, and no key", () => {
  expect(agentEnv(plain)).toEqual({
    PATH: "/bin",
    HOME: "/home/me",
    LANG: "C",
    LC_ALL: "C",
    XDG_CONFIG_HOME: "/home/me/.config",
    ...own,
  });
});

test("in a person's home Claude Code alone has a temporary folder of its session's, and the operator may name another", () => {
  const daemon = { TMPDIR: "/tmp/me" };
  expect(agentEnv({ ...plain, daemon })).toEqual({ TMPDIR: "/tmp/me", ...own });
  expect(agentEnv({ ...plain, daemon, harness: "codex" })).toEqual({ TMPDIR: "/tmp/me" });
  const settings = { env: { CLAUDE_CODE_TMPDIR: "/big" } };
  expect(agentEnv({ ...plain, daemon, settings })["CLAUDE_CODE_TMPDIR"]).toBe("/big");
});

test("the operator's additions come over it, the request's over both", () => {
  expect(
    agentEnv({ ...plain, settings: { env: { LANG: "de", A: "1", B: "1" } }, request: { B: "2", C: "3" } }),
  ).toMatchObject({ LANG: "de", A: "1", B: "2", C: "3" });
});

test("a private home takes the place of everything that points into the person's", () => {
  expect(agentEnv({ ...plain, privateHome: "/s/home" })).toEqual({
    PATH: "/bin",
    HOME: "/s/home",
    TMPDIR: "/run/t",
    CLAUDE_CONFIG_DIR: "/s/home/.claude",
    LANG: "C",
    LC_ALL: "C",
  });
});

test.each(["opencode", "acp"] as const)(
  "a private home of a %s agent has the standard folders in a place of ours",
  (harness) => {
    expect(agentEnv({ ...plain, harness, privateHome: "/s/home" })).toMatchObject({
      XDG_CONFIG_HOME: "/s/home/.agentruntime/config",
      XDG_DATA_HOME: "/s/home/.agentruntime/data",
    });
  },
);

test.each([
  ["claude", "ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"],
  ["claude", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_AUTH_TOKEN"],
  ["claude", "WORK_KEY", "ANTHROPIC_API_KEY"],
  ["generic", "WORK_KEY", "WORK_KEY"],
] satisfies [HarnessName, string, string][])("a %s agent gets the key in %s as %s", (harness, from, to) => {
  const env = agentEnv({ ...plain, harness, daemon: { [from]: "k" }, settings: { env: {}, key_env: from } });
  expect(env).toEqual({ [to]: "k", ...(harness === "claude" ? own : {}) });
});

test("a key that the daemon has not is not made up", () => {
  expect(agentEnv({ ...plain, daemon: {}, settings: { env: {}, key_env: "NONE" } })).toEqual(own);
});

test("the base URL is the configuration's, under the agent's name for it", () => {
  const settings = { env: {}, base_url: "http://m/" };
  expect(agentEnv({ ...plain, daemon: {}, settings })).toEqual({ ANTHROPIC_BASE_URL: "http://m/", ...own });
  expect(agentEnv({ ...plain, daemon: {}, harness: "generic", settings })).toEqual({ OPENAI_BASE_URL: "http://m/" });
});
