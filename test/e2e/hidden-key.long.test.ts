/** `hide_key`: the real agents work as ever, and the key is nowhere that they or what they start could find it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { claudeBinary } from "../support/claude-binary.ts";
import { results, said } from "../support/claude-daemon.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const key = "the-real-key-of-the-operator-93f1";
const deadlineMs = 90_000;
let messages: ScriptedModel;
let responses: ScriptedResponses;
let daemon: Daemon;

beforeAll(async () => {
  messages = await startScriptedModel();
  responses = await startScriptedResponses();
  const hidden = { key_env: "OPERATORS_KEY", hide_key: true };
  const agents = {
    claude: { ...hidden, command: claudeBinary(), base_url: messages.url },
    codex: { ...hidden, command: codexBinary(), base_url: responses.url },
    opencode: { ...hidden, command: opencodeBinary(), base_url: messages.url },
  };
  daemon = await startDaemon({ config: { agents }, env: { OPERATORS_KEY: key } });
});

afterAll(async () => {
  await daemon.stop();
  await messages.close();
  await responses.close();
});

describe.each(["claude", "codex", "opencode"])("%s", (agent) => {
  test("works, and its key is in no process, file or log of the session", { timeout: 120_000 }, async () => {
    const id = await create({ agent, prompt: "[[bash:env]]" });
    await log(id, 1);

    const seen = agent === "codex" ? responses.requests : messages.requests;
    expect(keyOf(seen.at(-1)?.headers ?? {})).toBe(key);
    const pids = sessionProcesses(id);
    expect(pids.length).toBeGreaterThan(0);
    const telling = allProcesses()
      .filter(({ pid }) => pid !== daemon.pid && pid !== process.pid)
      .filter(({ commandLine, environment }) => commandLine.includes(key) || environment.includes(key));
    expect(telling).toEqual([]);
    expect(await filesWithKey()).toEqual([]);
    const made = await readFile(join(daemon.dataDir, "sessions", id, "model-requests.ndjson"), "utf8");
    expect(JSON.parse(made.split("\n")[0] ?? "")).toMatchObject({ method: "POST", status: 200 });

    await daemon.delete(`/sessions/${id}`);
    await eventually(() => keeperPids().length === 0, { what: "the end of the key keeper" });
  });
});

test("a turn goes on while there is no daemon, and the next daemon watches the same keeper", async () => {
  const first = await startDaemonOf("claude");
  onTestFinished(async () => {
    await first.stop();
  });
  const { body } = await first.post("/sessions", { agent: "claude", interactive: true, prompt: "[[slow:3]]" });
  const id = String(body.session_id);
  await readLog(first, id, { enough: (events) => events.some(({ type }) => type === "agent_message"), deadlineMs });
  const [keeper] = keeperPids();
  await first.kill9();

  const second = await startDaemonOf("claude", first.dataDir);
  onTestFinished(async () => {
    await second.stop();
  });
  const events = await readLog(second, id, { enough: (seen) => results(seen).length === 1, deadlineMs });
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  expect(keeperPids()).toEqual([keeper]);
});

test("a keeper that dies is started again, and the session's next turn reaches the model", async () => {
  const id = await create({ agent: "claude", prompt: "hello" });
  await log(id, 1);
  const [keeper] = keeperPids();
  process.kill(keeper ?? 0, "SIGKILL");
  await eventually(() => keeperPids().some((pid) => pid !== keeper), { what: "a new keeper" });
  await daemon.post(`/sessions/${id}/prompt`, { text: "[[say:still here]]" });
  expect(said(await log(id, 2)).at(-1)).toBe("still here");
  expect((await daemon.get("/metrics")).text).toContain('agentruntime_restarts_total{what="keeper"} 1\n');
  await daemon.delete(`/sessions/${id}`);
});

test("a keeper that stands still does not hold up the next daemon, and another takes its place", async () => {
  await eventually(() => keeperPids().length === 0, { what: "the end of earlier keepers" });
  const first = await startDaemonOf("claude");
  onTestFinished(async () => {
    await first.stop();
  });
  const { body } = await first.post("/sessions", { agent: "claude", interactive: true, prompt: "hello" });
  const id = String(body.session_id);
  const enough = (count: number) => (events: Parameters<typeof results>[0]) => results(events).length === count;
  await readLog(first, id, { enough: enough(1), deadlineMs });
  const [keeper = 0] = keeperPids();
  await first.kill9();
  process.kill(keeper, "SIGSTOP");
  const second = await startDaemonOf("claude", first.dataDir);
  onTestFinished(async () => {
    await second.stop();
  });
  await eventually(() => keeperPids().some((pid) => pid !== keeper), { what: "a new keeper" });
  // What the agent still had open to it is over now.
  process.kill(keeper, "SIGKILL");
  await second.post(`/sessions/${id}/prompt`, { text: "[[say:still here]]" });
  expect(said(await readLog(second, id, { enough: enough(2), deadlineMs })).at(-1)).toBe("still here");
});

test("a key of the request's own is refused", async () => {
  const { status, body } = await daemon.post("/sessions", {
    agent: "claude",
    prompt: "hello",
    env: { ANTHROPIC_API_KEY: "another" },
  });
  expect(status).toBe(400);
  expect(body).toMatchObject({ error: "env_key_reserved" });
  expect(body.message).toContain("hide_key");
});

test("a key that is not there is said, with the setting to look at", async () => {
  const bare = await startDaemon({
    config: { agents: { claude: { command: claudeBinary(), key_env: "NOBODYS_KEY", hide_key: true } } },
  });
  onTestFinished(async () => {
    await bare.stop();
  });
  const { status, body } = await bare.post("/sessions", { agent: "claude", prompt: "hello" });
  expect(status).toBe(500);
  expect(body).toMatchObject({ error: "launch_failed" });
  expect(body.message).toContain("NOBODYS_KEY is not set");
});

function startDaemonOf(agent: "claude", dataDir?: string): Promise<Daemon> {
  const settings = { command: claudeBinary(), base_url: messages.url, key_env: "OPERATORS_KEY", hide_key: true };
  return startDaemon({
    config: { agents: { [agent]: settings } },
    env: { OPERATORS_KEY: key },
    ...(dataDir === undefined ? {} : { dataDir }),
  });
}

async function create(request: Record<string, unknown>): Promise<string> {
  const model = request["agent"] === "codex" ? { model: codexModel } : {};
  const { status, body, text } = await daemon.post("/sessions", { interactive: true, ...model, ...request });
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  return String(body.session_id);
}

function log(id: string, turns: number) {
  return readLog(daemon, id, { enough: (events) => results(events).length >= turns, deadlineMs });
}

function keyOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  return String(headers["x-api-key"] ?? headers["authorization"]).replace(/^Bearer /, "");
}

/** Of this test file's temp folder only. */
function keeperPids(): number[] {
  return allProcesses()
    .filter(
      ({ commandLine, workDir }) =>
        commandLine.includes("keeper.js") && workDir.startsWith(process.env["TMPDIR"] ?? ""),
    )
    .map(({ pid }) => pid);
}

async function filesWithKey(): Promise<string[]> {
  const { stdout } = await execa("grep", ["-rl", "--binary-files=text", key, process.env["TMPDIR"] ?? ""], {
    reject: false,
  });
  return stdout.split("\n").filter(Boolean);
}
