/** `agentd doctor` through the command line; with `--probe`, the real agents against the product's own scripted model. */
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { testedAgents } from "../../src/runtime/tested-agents.ts";
import { claudeBinary } from "../support/claude-binary.ts";
import { codexBinary } from "../support/codex-daemon.ts";
import { readReport } from "../support/doctor-report.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { runCli, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const secret = "sk-not-to-be-shown";
let home: string;
let dataDir: string;

beforeEach(async () => {
  const dir = await tempDir();
  onTestFinished(dir.remove);
  home = join(dir.path, "home");
  dataDir = join(dir.path, "data");
  await mkdir(home);
  await mkdir(dataDir, { mode: 0o700 });
});

/** Nothing of the machine's own agents or keys is seen. */
function doctor(args: readonly string[], env: Record<string, string> = {}) {
  const none = { ANTHROPIC_API_KEY: "", OPENAI_API_KEY: "", CODEX_API_KEY: "", CLAUDE_CODE_OAUTH_TOKEN: "" };
  const own = { HOME: home, XDG_DATA_HOME: "", CODEX_HOME: join(home, ".codex"), PATH: "/usr/bin:/bin", ...none };
  return runCli(["doctor", "--data-dir", dataDir, "--port", "0", ...args], { ...own, ...env });
}

async function report(args: readonly string[] = [], env: Record<string, string> = {}) {
  const { stdout, exitCode } = await doctor(["--json", ...args], env);
  const { findings, is_well } = readReport(stdout);
  expect(exitCode).toBe(is_well ? 0 : 1);
  expect(stdout).not.toContain(secret);
  return {
    isWell: is_well,
    of: (about: string, check: string) => findings.find((each) => each.about === about && each.check === check),
    all: findings,
  };
}

function configure(config: object): Promise<void> {
  return writeFile(join(dataDir, "config.json"), JSON.stringify(config));
}

async function script(name: string, text: string): Promise<string> {
  const path = join(home, name);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

const real = () => ({
  claude: { command: claudeBinary(), key_env: "THE_KEY" },
  codex: { command: codexBinary(), key_env: "THE_KEY" },
  opencode: { command: opencodeBinary(), key_env: "THE_KEY" },
});

test("a machine with the tested agents and a key is well, and says so in plain lines", async () => {
  await configure({ agents: real() });
  const { stdout, exitCode } = await doctor([], { THE_KEY: secret });
  expect(exitCode).toBe(0);
  expect(stdout).toContain("All is well.");
  expect(stdout).toMatch(/^ {2}ok {7}version +2\.\d+\.\d+, tested$/m);
  expect(stdout).not.toContain("\x1b");
  expect(stdout).not.toContain(secret);
  const { of } = await report([], { THE_KEY: secret });
  for (const { harness, key } of [
    { harness: "claude", key: "ANTHROPIC_API_KEY" },
    { harness: "codex", key: "OPENAI_API_KEY" },
    { harness: "opencode", key: "OPENCODE_MODEL_API_KEY" },
  ])
    expect(of(harness, "login")).toMatchObject({ status: "ok", found: `a key in ${key}` });
});

test("what is wrong with the machine is named, with what to do", async () => {
  await writeFile(join(dataDir, "config.json"), "{ no json");
  const broken = await report();
  expect(broken.of("machine", "configuration")).toMatchObject({
    status: "wrong",
    found: expect.stringContaining("it is not JSON"),
  });
  expect(broken.isWell).toBe(false);

  await configure({ agents: { claude: { command: "/no/such/claude" }, echo: { command: "/bin/cat" } } });
  await chmod(dataDir, 0o755);
  const server = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const { of } = await report(["--port", String(port)]);
  expect(of("machine", "data dir")).toMatchObject({ status: "warning", advice: `chmod 700 ${dataDir}` });
  expect(of("machine", "port")).toMatchObject({ status: "wrong", found: expect.stringContaining("another program") });
  expect(of("claude", "program")).toMatchObject({
    status: "wrong",
    advice: expect.stringContaining("agents.claude.command"),
  });
  expect(of("echo", "program")).toMatchObject({ status: "ok", found: "/bin/cat (configured)" });
});

test("versions beside the tested ones are warnings; one that cannot be read is wrong", async () => {
  const agents = {
    claude: { command: await script("claude", "echo '1.0.0 (Claude Code)'"), key_env: "THE_KEY" },
    codex: { command: await script("codex", "echo codex-cli 99.0.0"), key_env: "THE_KEY" },
    opencode: { command: await script("opencode", "exit 3"), key_env: "THE_KEY" },
  };
  await configure({ agents });
  const { of, isWell } = await report([], { THE_KEY: secret });
  expect(of("claude", "version")).toMatchObject({ status: "warning", found: expect.stringContaining("1.0.0, older") });
  expect(of("codex", "version")).toMatchObject({ status: "warning", found: expect.stringContaining("99.0.0, newer") });
  expect(of("opencode", "version")).toMatchObject({ status: "wrong", found: expect.stringContaining("exit code 3") });
  expect(isWell).toBe(false);
  const usable = { claude: agents.claude, codex: agents.codex };
  await configure({ agents: usable });
  expect((await report([], { THE_KEY: secret })).isWell).toBe(true);
});

test("a login is found in the files of each agent, and a key that no agent would get is pointed out", async () => {
  const version = (name: keyof typeof testedAgents) => script(name, `echo ${testedAgents[name].newest}`);
  await configure({
    agents: {
      claude: { command: await version("claude") },
      codex: { command: await version("codex") },
      opencode: { command: await version("opencode") },
    },
  });
  const before = await report([], { ANTHROPIC_API_KEY: secret });
  expect(before.isWell).toBe(false);
  expect(before.of("machine", "agents")).toMatchObject({ status: "wrong" });
  expect(before.of("claude", "login")).toMatchObject({
    status: "warning",
    advice: expect.stringContaining('set agents.claude.key_env to "ANTHROPIC_API_KEY"'),
  });
  const write = async (path: string, content: object) => {
    await mkdir(join(home, path, ".."), { recursive: true });
    await writeFile(join(home, path), JSON.stringify(content));
  };
  await write(".claude/.credentials.json", { claudeAiOauth: { accessToken: secret } });
  await write(".codex/auth.json", { OPENAI_API_KEY: null, tokens: { access_token: secret } });
  await write(".local/share/opencode/auth.json", { anthropic: { type: "api", key: secret } });
  const after = await report();
  for (const name of Object.keys(testedAgents))
    expect(after.of(name, "login")).toMatchObject({ status: "ok", found: expect.stringMatching(/^logged in \(\//) });
  expect(after.isWell).toBe(true);
});

test("a key that the configuration names and the environment lacks is wrong", async () => {
  await configure({ agents: { claude: { command: claudeBinary(), key_env: "THE_KEY" } } });
  expect((await report()).of("claude", "login")).toMatchObject({
    status: "wrong",
    found: "THE_KEY is not set in this environment",
  });
});

test("a living daemon is told of, with its version, and its port is its own", async () => {
  const daemon = await startDaemon({ dataDir });
  onTestFinished(async () => void (await daemon.stop()));
  const { of } = await report();
  expect(of("machine", "daemon")).toMatchObject({
    status: "ok",
    found: expect.stringMatching(`pid ${daemon.pid} at ${daemon.url}, version \\d`),
  });
  expect(of("machine", "port")).toBeUndefined();
});

test("a port that another daemon has is said to be agentd's", async () => {
  const other = await startDaemon();
  onTestFinished(async () => void (await other.stop()));
  const { of } = await report(["--port", new URL(other.url).port]);
  expect(of("machine", "port")).toMatchObject({
    status: "warning",
    found: expect.stringMatching(/: an agentd, version \d\S+, listens there; it is not this data dir's$/),
    advice: expect.stringContaining(`--port ${new URL(other.url).port}`),
  });
});

test("the probe runs each real agent once: start, text, tool, interrupt, resume, and leaves nothing behind", {
  timeout: 300_000,
}, async () => {
  await configure({ agents: { ...real(), acp: { harness: "acp", command: opencodeBinary(), args: ["acp"] } } });
  const { of, all } = await report(["--probe"], { THE_KEY: secret });
  expect(all.filter(({ status }) => status === "wrong")).toEqual([]);
  for (const name of Object.keys(testedAgents))
    for (const step of ["start", "text", "tool", "interrupt", "resume"])
      expect(of(name, `probe: ${step}`), `${name} ${step}`).toMatchObject({ status: "ok" });
  expect(of("acp", "probe")).toMatchObject({ status: "note" });
  expect(await readdir(dataDir)).toEqual(["config.json"]);
});

test("an agent that there is not exits with 2", async () => {
  const { exitCode, stderr } = await doctor(["emacs"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringContaining('Unknown agent "emacs"') });
});

test("the probe says where an agent fails, and exits with 1", async () => {
  const claude = await script(
    "claude",
    `case "$*" in *--version*) echo ${testedAgents.claude.newest};; *) exit 7;; esac`,
  );
  await configure({ agents: { claude: { command: claude, key_env: "THE_KEY" } } });
  const { of, isWell } = await report(["claude", "--probe"], { THE_KEY: secret });
  expect(isWell).toBe(false);
  expect(of("claude", "probe: text")).toMatchObject({
    status: "wrong",
    found: expect.stringContaining("startup_crash"),
  });
});
