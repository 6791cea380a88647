/** `agentd dispatch`, against a real daemon with the real Claude Code and a plain command. */
import { readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClaudeDaemon, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

const echo = { command: process.execPath, args: [new URL("../fixtures/agents/echo.mjs", import.meta.url).pathname] };
const example = (name: string) => readFile(new URL(`../fixtures/dispatch/${name}`, import.meta.url), "utf8");

let dir: TempDir;
let daemon: Daemon;
beforeAll(async () => {
  dir = await tempDir();
  daemon = await startDaemon({ config: { agents: { echo } } });
});
afterAll(async () => {
  await daemon.stop();
  await dir.remove();
});

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(dir.path, name);
  await writeFile(path, text);
  return path;
}

async function dispatch(text: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  const path = await fileOf("tasks.yaml", text);
  return execa(process.execPath, [agentdPath, "dispatch", "--config", path, ...args], {
    env: { NO_COLOR: "1", AGENTD_TOKEN: daemon.token, AGENTRUNTIME_DATA_DIR: daemon.dataDir, ...env },
    stdin: "ignore",
    reject: false,
  });
}

describe("the examples of the Go daemon's README", () => {
  let claude: ClaudeDaemon;
  beforeAll(async () => {
    claude = await startClaudeDaemon();
  });
  afterAll(() => claude.stop());

  test("the local one runs as it is, but for the folder", async () => {
    const folder = await realpath(dir.path);
    const text = (await example("claude-prompt.json")).replace("/Users/me/Toolkit/agentruntime", folder);
    const path = await fileOf("task.json", text);
    const { exitCode, stdout, stderr } = await claude.daemon.cli(
      "dispatch",
      "--config",
      path,
      "--server",
      claude.daemon.url,
    );
    expect(exitCode, stderr).toBe(0);
    const lines = stdout.split("\n").map((line) => JSON.parse(line));
    expect(lines.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, index) => index + 1));
    const asked = claude.model.requests.find(({ text: said }) => said.includes("Summarize the architecture"));
    expect(JSON.stringify(asked?.body)).toContain("Stay focused on this repository.");
    const id = /^session_id: ([0-9a-f-]{36})$/m.exec(stderr)?.[1];
    expect(stderr).toMatch(/^ws_url: ws:\/\/.*\nlog_url: http:\/\//m);
    expect((await claude.daemon.get(`/sessions/${id}`)).body.work_dir).toBe(folder);
  });

  test("the one in a container is refused in a sentence where there are no containers", async () => {
    const text = (await example("codex-container.yaml")).replace(
      "/Users/me/Toolkit/agentruntime",
      await realpath(dir.path),
    );
    const refused = await dispatch(text, [], { OPENAI_API_KEY: "key-of-test" });
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('Cannot use "container" with the runtime "local"');
  });
});

describe("one task", () => {
  test("has its whole log printed, and exits by how it went", async () => {
    const { exitCode, stdout } = await dispatch('agent: echo\nprompt: "lines 500"\n');
    expect(exitCode).toBe(0);
    const lines = stdout.split("\n").map((line) => JSON.parse(line));
    expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, index) => index + 1));
    expect(lines.length).toBeGreaterThan(500);
    expect((await dispatch("agent: echo\nprompt: exit 3\n")).exitCode).toBe(1);
  });

  test("takes variables from the environment, in every text and no key, and says which are not set", async () => {
    const text = await example("variables.yaml");
    const { exitCode, stdout, stderr } = await dispatch(text, ["--json"], { WORD: "marmalade" });
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain("$NOBODY_SET_THIS is not set");
    const { is_well, tasks } = JSON.parse(stdout);
    expect([is_well, tasks.length]).toEqual([true, 1]);
    expect(tasks[0]).toMatchObject({ task: "1", status: "completed", exit_code: 0, result: "success" });
    const view = (await daemon.get(`/sessions/${tasks[0].session_id}`)).body;
    expect(view.tags).toEqual({ $WORD: "x", number: "7" });
    expect(view.work_dir).toBe(await realpath(dir.path));
    const log = (await daemon.get(`/sessions/${tasks[0].session_id}/log`)).text;
    expect(log).toContain("marmalade and marmalade, $5 and $5, .");
  });
});

test("Ctrl+C ends the waiting alone: the session goes on", async () => {
  const path = await fileOf("stays.yaml", "agent: echo\ninteractive: true\nprompt: hello\n");
  const waiting = execa(process.execPath, [agentdPath, "dispatch", "--config", path, "--wait"], {
    env: { NO_COLOR: "1", AGENTD_TOKEN: daemon.token, AGENTRUNTIME_DATA_DIR: daemon.dataDir },
    stdin: "ignore",
    reject: false,
  });
  let shown = "";
  waiting.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  await eventually(() => shown.includes("echo: hello"), { what: "the answer", deadlineMs: 20_000 });
  waiting.kill("SIGINT");
  const { signal, stderr } = await waiting;
  expect(signal).toBe("SIGINT");
  const id = /session_id: (\S+)/.exec(stderr)?.[1];
  expect((await daemon.get(`/sessions/${id}`)).body.state).toBe("running");
  expect((await daemon.post(`/sessions/${id}/prompt`, { text: "still here" })).status).toBe(202);
  await eventually(async () => (await daemon.get(`/sessions/${id}/log`)).text.includes("echo: still here"), {
    what: "the next answer",
  });
  await daemon.delete(`/sessions/${id}`);
});

describe("several tasks", () => {
  const tasks = [
    "defaults: { agent: echo, tags: { batch: b1 } }",
    "tasks:",
    "  - { name: good, prompt: hello }",
    "  - { name: bad, prompt: exit 3 }",
    "  - { task_id: own, prompt: hello, tags: {} }",
  ].join("\n");

  test("are started, and not waited for", async () => {
    const { exitCode, stdout, stderr } = await dispatch(tasks.replaceAll("name: ", "name: s-"));
    expect(exitCode, stderr).toBe(0);
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(/^s-good {2}[0-9a-f-]{36} {2}started$/),
      expect.stringMatching(/^s-bad {2}[0-9a-f-]{36} {2}started$/),
      expect.stringMatching(/^own {2}[0-9a-f-]{36} {2}started$/),
    ]);
    expect((await daemon.get("/sessions?tag.batch=b1")).body.length).toBe(2);
  });

  test("are waited for, and what became of each is said", async () => {
    const { exitCode, stdout } = await dispatch(tasks, ["--wait"]);
    expect(exitCode).toBe(1);
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/)[2])).toEqual(["completed", "failed", "completed"]);
    // Their names are taken now: two are refused, and the third is done all the same.
    const again = await dispatch(tasks, ["--wait", "--json"]);
    expect(again.exitCode).toBe(1);
    expect(JSON.parse(again.stdout)).toMatchObject({
      is_well: false,
      tasks: [
        { status: "refused", error: expect.stringContaining("good") },
        { status: "refused" },
        { status: "completed" },
      ],
    });
    expect(again.stderr).toContain("Task good was refused");
  });

  test("that stay open until somebody stops them have not failed", async () => {
    const open = "tasks: [{ name: open, agent: echo, interactive: true }]";
    const waiting = dispatch(open, ["--wait"]);
    await eventually(async () => (await daemon.get("/sessions/open")).body.status === "running", {
      what: "the session",
    });
    await daemon.cli("stop", "open");
    expect(await waiting).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^open {2}\S+ {2}stopped$/) });
  });
});

describe("a file that cannot be used", () => {
  test.each([
    ["no YAML", "agent: [", "not YAML"],
    ["no task", "- 1", "expected a task"],
    ["a key that there is not", "agent: echo\nprompt: x\ncolour: red", "colour"],
    ["no agent", "prompt: x", "agent is required"],
    ["a wrong task among good ones", "tasks: [{agent: echo, prompt: x}, {prompt: x}]", "task 2"],
    ["no tasks", "tasks: []", "a list of 1 to 1000 tasks"],
    [
      "a bomb of aliases",
      `a: &a [x,x,x,x,x,x,x,x,x]\n${["b", "c", "d", "e", "f", "g", "h"].map((key, i) => `${key}: &${key} [${Array(9).fill(`*${String.fromCharCode(97 + i)}`)}]`).join("\n")}`,
      "alias",
    ],
  ])("%s exits 2, and nothing is started", async (_what, text, said) => {
    const before = (await daemon.get("/sessions")).body.length;
    const { exitCode, stderr } = await dispatch(text);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining(said)]);
    expect((await daemon.get("/sessions")).body.length).toBe(before);
  });

  test("none exits 2", async () => {
    expect(await daemon.cli("dispatch")).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--config") });
    const missing = await daemon.cli("dispatch", "--config", join(dir.path, "none.yaml"));
    expect([missing.exitCode, missing.stderr]).toEqual([2, expect.stringContaining("there is no such file")]);
  });
});

test("the schema for editors is that of the requests, and ships with the package", async () => {
  const { stdout } = await daemon.cli("dispatch", "--schema");
  const schema = JSON.parse(stdout);
  expect(schema.$schema).toContain("json-schema.org");
  const [task, tasks] = schema.anyOf;
  expect(Object.keys(task.properties)).toEqual(expect.arrayContaining(["agent", "prompt", "work_dir", "mcp_servers"]));
  expect(task.required).toEqual(["agent"]);
  expect(Object.keys(tasks.properties)).toEqual(["defaults", "tasks"]);
  const shipped = await readFile(new URL("../../dist/dispatch.schema.json", import.meta.url), "utf8");
  expect(JSON.parse(shipped)).toEqual(schema);
});

test("a chat is made from a file too", async () => {
  const path = await fileOf("chat.yaml", "agent: claude\nidle_timeout: 5m\nenv: { A: b }\n");
  expect((await daemon.cli("chat", "create", "filed", "--config", path)).exitCode).toBe(0);
  expect((await daemon.get("/chats/filed")).body.config).toEqual({
    agent: "claude",
    idle_timeout: "5m",
    env: { A: "[redacted]" },
  });
  expect((await daemon.cli("chat", "create", "both", "--config", path, "--agent", "claude")).exitCode).toBe(2);
});
