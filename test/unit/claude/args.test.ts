import { expect, test } from "vitest";
import { claudeCommand } from "../../../sidecar/claude/args.ts";
import { type AgentConfig, Bootstrap } from "../../../src/protocol/bootstrap.ts";

const freshId = "5f0c0a10-0000-4000-8000-000000000001";

function start(config: AgentConfig, env: Record<string, string> = {}, isRoot = false) {
  const bootstrap = Bootstrap.parse({
    protocol: 1,
    session_id: "s1",
    session_dir: "/s",
    socket_path: "/s/socket",
    token: "t",
    agent: { name: "claude", harness: "claude", command: ["/opt/claude"], env },
    work_dir: "/w",
    config,
    interactive: true,
    keep_raw: false,
    limits: { lineBytesMax: 1, blobBytesMax: 1, spoolBytesMax: 1 },
  });
  return claudeCommand({ bootstrap, files: {}, agents: {}, freshId, isRoot });
}

/** What comes behind the flags that every start has. */
const added = (config: AgentConfig) => start(config).command.slice(10);

test("a fresh, untrusted session has an id of our choosing and leaves the checkout's settings and servers alone", () => {
  expect(start({}).command).toEqual([
    "/opt/claude",
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--replay-user-messages",
    "--permission-prompt-tool=stdio",
    "--dangerously-skip-permissions",
    "--disallowedTools=AskUserQuestion",
    `--session-id=${freshId}`,
    "--setting-sources=user",
    "--strict-mcp-config",
  ]);
});

test("what is configured becomes flags with their values glued on", () => {
  const config: AgentConfig = {
    resume_session: "old",
    model: "opus",
    max_turns: 3,
    allowed_tools: ["Read", "Bash(git *)"],
    effort: "low",
    bare: true,
    trust_workspace: true,
  };
  expect(added(config)).toEqual([
    "--resume=old",
    "--model=opus",
    "--max-turns=3",
    "--allowedTools=Read",
    "--allowedTools=Bash(git *)",
    "--effort=low",
    "--bare",
  ]);
});

test("a person is asked in interactive mode, which may be left while it runs", () => {
  const { command } = start({ permission_mode: "interactive" });
  expect(command.slice(7, 10)).toEqual([
    "--permission-prompt-tool=stdio",
    "--allow-dangerously-skip-permissions",
    "--permission-mode=default",
  ]);
  expect(command).not.toContain("--dangerously-skip-permissions");
});

test("a fork goes on with the old conversation under an id of our choosing", () => {
  expect(added({ resume_session: "old", fork_session: true, trust_workspace: true })).toEqual([
    `--session-id=${freshId}`,
    "--resume=old",
    "--fork-session",
  ]);
});

test.each([
  { model: "-x" },
  { model: "" },
  { resume_session: "--dangerously" },
  { allowed_tools: ["Read\n--x"] },
  { effort: "low\0" },
])("%j is refused: it could be taken for a flag", (config) => {
  expect(() => start(config)).toThrow(/^Cannot start claude with --/);
});

test("the environment is the given one, with the CLI's chatter switched off and its state events on", () => {
  expect(
    start({}, { PATH: "/bin", CLAUDE_CODE_MAX_RETRIES: "2", CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "0" }).env,
  ).toEqual({
    PATH: "/bin",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_AUTOUPDATER: "1",
    CLAUDE_CODE_MAX_RETRIES: "2",
    CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS: "1",
  });
});

test("root is told to be contained", () => {
  expect(start({}, {}, true).env).toMatchObject({ IS_SANDBOX: "1" });
});
