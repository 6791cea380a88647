import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive, sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const echo = fileURLToPath(new URL("../fixtures/agents/echo.mjs", import.meta.url));
const agent = { command: process.execPath, args: [echo] };
const sh = (script: string) => ["sh", "-c", script];

async function start(config: Record<string, unknown>, agents: Record<string, unknown> = { echo: agent }) {
  const daemon = await startDaemon({ config: { agents, ...config } });
  onTestFinished(async () => {
    await daemon.stop();
  });
  const workDir = await tempDir();
  onTestFinished(() => workDir.remove());
  return { daemon, workDir: workDir.path };
}

async function create(daemon: Daemon, more: object): Promise<string> {
  const { status, body } = await daemon.post("/sessions", { agent: "echo", ...more });
  expect([status, body]).toEqual([201, expect.anything()]);
  return body.session_id;
}

const log = (daemon: Daemon, id: string) => readLog(daemon, id, { deadlineMs: 90_000 });

/** What the log tells of hooks: `pre_init started`, `pre_init output hello`… */
function told(events: readonly LoggedEvent[]): string[] {
  return events
    .filter(({ data }) => data["subtype"] === "hook")
    .map(({ data }) => [data["hook"], data["event"], data["text"]].filter((word) => word !== undefined).join(" "));
}

const isTold = (what: string) => (events: readonly LoggedEvent[]) => told(events).includes(what);

describe("hooks of the operator", () => {
  it("run around the agent in their order, in its work dir and with its environment", async () => {
    const say = (name: string) => sh(`echo ${name} $AGENT \${AGENT_PID:+pid} $AGENT_EXIT_CODE $TASK_ID $SHARED; pwd`);
    const { daemon, workDir } = await start(
      { hooks: { pre_init: say("pre"), post_init: say("post"), post_run: say("run") } },
      { echo: { ...agent, env: { SHARED: "shared" } } },
    );
    const id = await create(daemon, { prompt: "exit 3", work_dir: workDir, task_id: "task" });
    const events = await log(daemon, id);
    expect(told(events)).toEqual([
      "pre_init started",
      "pre_init output pre echo task shared",
      `pre_init output ${workDir}`,
      "pre_init ended",
      "post_init started",
      "post_init output post echo pid task shared",
      `post_init output ${workDir}`,
      "post_init ended",
      "post_run started",
      "post_run output run echo 3 task shared",
      `post_run output ${workDir}`,
      "post_run ended",
    ]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 3 } });
    expect(sessionProcesses(id)).toEqual([]);
  });

  it("one of an agent's own is in place of the one for all", async () => {
    const { daemon } = await start(
      { hooks: { pre_init: sh("echo all"), post_run: sh("echo all") } },
      { echo: { ...agent, hooks: { pre_init: sh("echo own") } } },
    );
    const events = await log(daemon, await create(daemon, { prompt: "hi" }));
    expect(told(events).filter((line) => line.includes("output"))).toEqual([
      "pre_init output own",
      "post_run output all",
    ]);
  });

  it.each([
    ["that fails", sh("echo no >&2; exit 4"), "it ended with code 4"],
    ["that is not there", ["/nowhere/hook"], "cannot start"],
    ["that takes too long", sh("sleep 300 & sleep 300"), "did not end within 1 s"],
  ])("a pre_init %s keeps the agent from being started", async (_, pre_init, message) => {
    const { daemon } = await start({
      hooks: { pre_init, post_run: sh("echo cleaned") },
      limits: { hook_timeout: "1s" },
    });
    const id = await create(daemon, { prompt: "hi" });
    const events = await log(daemon, id);
    expect(events.filter(({ type }) => type === "stdout")).toEqual([]);
    expect(events.find(({ type }) => type === "error")?.data).toMatchObject({
      error_category: "startup_crash",
      message: expect.stringMatching(new RegExp(`hook pre_init failed: .*${message}`)),
    });
    expect(told(events)).toContain("post_run output cleaned");
    expect(events.at(-1)?.data).toMatchObject({ code: 1, error_category: "startup_crash" });
    expect(sessionProcesses(id)).toEqual([]);
  });

  it("a post_init that fails ends the agent before it gets a prompt", async () => {
    const { daemon } = await start({ hooks: { post_init: sh("exit 5") } });
    const id = await create(daemon, { prompt: "hi" });
    const events = await log(daemon, id);
    expect(events.filter(({ type }) => type === "stdout")).toEqual([]);
    expect(events.at(-1)?.data).toMatchObject({
      error_category: "startup_crash",
      error_detail: "The hook post_init failed: it ended with code 5",
    });
    expect(sessionProcesses(id)).toEqual([]);
  });

  it("no prompt reaches the agent while post_init runs", async () => {
    const { daemon, workDir } = await start({ hooks: { post_init: sh("until [ -e go ]; do sleep 0.05; done") } });
    const id = await create(daemon, { prompt: "hi", work_dir: workDir });
    await readLog(daemon, id, { enough: isTold("post_init started") });
    expect((await daemon.get(`/sessions/${id}`)).body.status).not.toBe("completed");
    writeFileSync(join(workDir, "go"), "");
    const types = (await log(daemon, id)).map(({ type, data }) => data["event"] ?? type);
    expect(types.indexOf("stdout")).toBeGreaterThan(types.indexOf("ended"));
  });

  it("the program beside the agent outlives its commands, is asked to end after it, and leaves nothing", async () => {
    // Its shell would tell that its own sleep was terminated with it.
    const beside = sh(
      `exec 2>/dev/null; trap 'echo bye; exit 0' TERM; echo $$ > pid; echo here; while :; do sleep 0.1; done`,
    );
    const { daemon, workDir } = await start({ hooks: { sidecar: beside, post_run: sh("echo after") } });
    const id = await create(daemon, { interactive: true, work_dir: workDir });
    await readLog(daemon, id, { enough: isTold("sidecar output here") });
    const pid = Number(readFileSync(join(workDir, "pid"), "utf8"));
    await daemon.post(`/sessions/${id}/prompt`, { text: "hello" });
    await readLog(daemon, id, { enough: (events) => events.some(({ type }) => type === "stdout") });
    expect(isAlive(pid)).toBe(true);
    await daemon.post(`/sessions/${id}/prompt`, { text: "exit 0" });
    const events = await log(daemon, id);
    expect(told(events).slice(-6)).toEqual([
      "sidecar output here",
      "sidecar output bye",
      "sidecar ended",
      "post_run started",
      "post_run output after",
      "post_run ended",
    ]);
    expect(isAlive(pid)).toBe(false);
    expect(sessionProcesses(id)).toEqual([]);
  });

  it("one beside the agent that ends early is told, and the session goes on", async () => {
    const { daemon } = await start({ hooks: { sidecar: sh("exit 6") } });
    const id = await create(daemon, { interactive: true });
    const seen = await readLog(daemon, id, { enough: isTold("sidecar failed") });
    expect(seen.find(({ data }) => data["event"] === "failed")?.data).toMatchObject({ code: 6, is_early: true });
    await daemon.post(`/sessions/${id}/prompt`, { text: "hello" });
    await readLog(daemon, id, { enough: (events) => events.some(({ data }) => data["text"] === "echo: hello") });
    await daemon.post(`/sessions/${id}/stop`, { mode: "now" });
    await log(daemon, id);
  });

  it("a stop ends pre_init at once, and post_run still runs", async () => {
    const { daemon } = await start({
      hooks: { pre_init: sh("echo begun; sleep 300 & sleep 300"), post_run: sh("echo cleaned") },
      limits: { hook_timeout: "5m" },
    });
    const id = await create(daemon, { prompt: "hi" });
    await readLog(daemon, id, { enough: isTold("pre_init output begun") });
    await daemon.post(`/sessions/${id}/stop`, { mode: "now" });
    const events = await log(daemon, id);
    expect(told(events)).toContain("post_run output cleaned");
    expect(events.at(-1)?.data).toMatchObject({ error_category: "stopped" });
    expect(sessionProcesses(id)).toEqual([]);
  });

  it("what a hook prints beyond its bound is read and left out", async () => {
    const many = sh("i=0; while [ $i -lt 400 ]; do printf '%01000d\\n' 0; i=$((i+1)); done; echo end");
    const { daemon } = await start({ hooks: { pre_init: many } });
    const events = await log(daemon, await create(daemon, { prompt: "hi" }));
    const shown = events.filter(({ data }) => data["event"] === "output").map(({ data }) => String(data["text"]));
    expect(shown.join("").length).toBeLessThanOrEqual(256 * 1024);
    expect(told(events)).toContain("pre_init ended");
  });

  it("are gone with a sidecar that is killed", async () => {
    const { daemon, workDir } = await start({ hooks: { sidecar: sh("echo $$ > pid; echo here; exec sleep 300") } });
    const id = await create(daemon, { interactive: true, work_dir: workDir });
    await readLog(daemon, id, { enough: isTold("sidecar output here") });
    const pid = Number(readFileSync(join(workDir, "pid"), "utf8"));
    const { pid: sidecar } = JSON.parse(readFileSync(join(daemon.dataDir, "sessions", id, "sidecar.json"), "utf8"));
    process.kill(sidecar, "SIGKILL");
    expect((await log(daemon, id)).at(-1)?.data).toMatchObject({ error_category: "sidecar_lost" });
    await eventually(() => !isAlive(pid), { what: "the end of the hook" });
  });
});

describe("hooks of a request", () => {
  it("are refused: only the operator names programs", async () => {
    const { daemon } = await start({ hooks: { pre_init: sh("true") } });
    const answer = await daemon.post("/sessions", { agent: "echo", prompt: "hi", lifecycle: { pre_init: "/bin/sh" } });
    expect([answer.status, answer.body.error]).toEqual([400, "unsupported_by_agent"]);
    expect(answer.body.message).toMatch(/operator/);
  });
});
