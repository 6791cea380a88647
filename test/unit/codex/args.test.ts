import { describe, expect, test } from "vitest";
import { codexCommand } from "../../../sidecar/codex/args.ts";
import { type Bootstrap, defaultSidecarLimits } from "../../../src/protocol/bootstrap.ts";

function settingsOf(given: { env?: Record<string, string>; command?: string[]; config?: Bootstrap["config"] }) {
  const { command } = codexCommand({
    protocol: 1,
    session_id: "s",
    session_dir: "/sessions/s",
    socket_path: "",
    token: "",
    agent: { name: "codex", harness: "codex", command: given.command ?? ["/bin/codex"], env: given.env ?? {} },
    work_dir: "/work",
    config: given.config ?? {},
    interactive: true,
    keep_raw: false,
    limits: defaultSidecarLimits,
  });
  return { command, settings: command.filter((_, i) => command[i - 1] === "-c") };
}

describe("the model service", () => {
  test("is the person's own choice when neither key nor address is given", () => {
    expect(settingsOf({}).settings.join("\n")).not.toContain("model_provider");
  });

  test("gets the key by the name of its variable, never by its value", () => {
    const { command, settings } = settingsOf({
      env: { OPENAI_API_KEY: "sk-secret", OPENAI_BASE_URL: "http://127.0.0.1:1" },
    });
    expect(settings).toContain('model_provider="agentruntime"');
    expect(settings).toContain('model_providers.agentruntime.base_url="http://127.0.0.1:1/v1"');
    expect(settings).toContain('model_providers.agentruntime.env_key="OPENAI_API_KEY"');
    expect(command.join(" ")).not.toContain("sk-secret");
  });

  test("keeps the key from the commands that the model runs", () => {
    expect(settingsOf({ env: { CODEX_API_KEY: "k" } }).settings).toContain(
      'shell_environment_policy.exclude=["CODEX_API_KEY","OPENAI_API_KEY"]',
    );
  });

  test("may have a path of its own, and needs no key", () => {
    const { settings } = settingsOf({ env: { OPENAI_BASE_URL: "http://127.0.0.1:1/openai" } });
    expect(settings).toContain('model_providers.agentruntime.base_url="http://127.0.0.1:1/openai"');
    expect(settings.join("\n")).not.toContain("env_key");
  });
});

test("what the operator put behind the program comes after our own settings, before the subcommand", () => {
  const { command } = settingsOf({ command: ["/bin/codex", "-c", "analytics.enabled=true"] });
  expect(command.slice(0, 2)).toEqual(["/bin/codex", "-c"]);
  expect(command.slice(-3)).toEqual(["-c", "analytics.enabled=true", "app-server"]);
});

test("says either way whether the checkout is trusted, so that Codex does not note it in the person's file", () => {
  expect(settingsOf({}).settings).toContain('projects={"/work"={trust_level="untrusted"}}');
  expect(settingsOf({ config: { trust_workspace: true } }).settings).toContain(
    'projects={"/work"={trust_level="trusted"}}',
  );
});

test.each([
  [{}, false],
  [{ auto_discover: false }, true],
  [{ auto_discover: { agents_md: true } }, false],
  [{ auto_discover: { agents: true } }, true],
])("%j leaves the checkout's AGENTS.md unread: %s", (config, isUnread) => {
  expect(settingsOf({ config }).settings.includes("project_doc_max_bytes=0")).toBe(isUnread);
});
