import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { LogCheck } from "../tools/log-check.ts";

const node = (name: string, ...args: string[]) => ({
  command: process.execPath,
  args: [new URL(`../fixtures/agents/${name}`, import.meta.url).pathname, ...args],
});
const longLine = 64 * 1024 * 1024;

let daemon: Daemon;
let dir: TempDir;
let bystander: string;
beforeAll(async () => {
  dir = await tempDir();
  const file = (name: string) => join(dir.path, name);
  await writeFile(file("not-executable"), "#!/bin/sh\n", { mode: 0o644 });
  await writeFile(file("no-interpreter"), "#!/no/such/interpreter\n", { mode: 0o755 });
  await mkdir(file("folder"));
  daemon = await startDaemon({
    config: {
      agents: {
        echo: node("echo.mjs"),
        missing: { command: file("missing") },
        "not-in-path": { command: "no-such-agent-anywhere" },
        "not-executable": { command: file("not-executable") },
        folder: { command: file("folder") },
        "no-interpreter": { command: file("no-interpreter") },
        "exits-at-once": { command: "/bin/sh", args: ["-c", "echo no licence >&2; exit 5"] },
        "exits-well": { command: "/bin/true" },
        garbage: node("prints-garbage.mjs"),
        "bad-utf8": node("prints-bad-utf8.mjs"),
        "dies-mid-line": node("dies-mid-line.mjs"),
        "long-line": node("prints-long-line.mjs", String(longLine)),
      },
    },
  });
  bystander = (await daemon.post("/sessions", { agent: "echo", interactive: true })).body.session_id;
});
afterAll(async () => {
  await daemon?.stop();
  await dir?.remove();
});

/** Runs an agent to its end; daemon and bystander are as they were. */
async function run(agent: string) {
  const { body, status, text } = await daemon.post("/sessions", { agent, prompt: "go" });
  expect(status, text).toBe(201);
  const events = await readLog(daemon, body.session_id);
  const { body: view } = await eventually(async () => {
    const answer = await daemon.get(`/sessions/${body.session_id}`);
    return answer.body.end_reason === undefined ? undefined : answer;
  });
  await eventually(() => sessionProcesses(body.session_id).length === 0, { what: "the end of all its processes" });
  expect(faultsOf(view.log_file)).toEqual([]);
  expect((await daemon.get(`/sessions/${bystander}`)).body).toMatchObject({ status: "running" });
  const texts = events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"]);
  return { view, events, texts, exit: events.at(-1), error: events.find(({ type }) => type === "error") };
}

function faultsOf(path: string) {
  const check = new LogCheck();
  check.push(readFileSync(path));
  return check.end().faults;
}

describe("a session ends failed, and says why, when its agent", () => {
  test.each([
    ["missing", "agent_not_found", /missing/],
    ["not-in-path", "agent_not_found", /no-such-agent-anywhere/],
    ["not-executable", "agent_failed", /may not be executed/],
    ["no-interpreter", "agent_failed", /interpreter/],
    ["folder", "agent_", /folder/],
  ])("is %s", async (agent, code, message) => {
    const { view, error, exit, events } = await run(agent);
    expect(view).toMatchObject({ status: "failed", end_reason: "agent_failed" });
    expect(error?.data["code"]).toContain(code);
    expect(error?.data["message"]).toMatch(message);
    expect(exit).toMatchObject({ type: "exit", data: { error_category: "startup_crash", retryable: false } });
    expect(events.filter(({ type }) => type === "result")).toHaveLength(1);
  });

  test("exits at once", async () => {
    const { view, exit, events } = await run("exits-at-once");
    expect(view).toMatchObject({ status: "failed", exit_code: 5 });
    expect(exit).toMatchObject({
      data: { code: 5, error_detail: "no licence" },
      exit_code: 5,
    });
    const results = events.filter(({ type }) => type === "result").map(({ data }) => data["status"]);
    // It may be gone before it could be given its prompt.
    expect([["error"], ["aborted"]]).toContainEqual(results);
  });

  test("is killed after half a line, which is kept", async () => {
    const { view, texts, exit } = await run("dies-mid-line");
    expect(view).toMatchObject({ status: "failed", end_reason: "agent_killed", exit_code: 137 });
    expect(texts).toEqual(["whole", "hal"]);
    expect(exit).toMatchObject({
      data: { code: 137, signal: "SIGKILL", error_category: "agent_crash", retryable: true },
    });
  });
});

describe("a session goes on when its agent", () => {
  test("ends well without a word", async () => {
    expect((await run("exits-well")).view).toMatchObject({ status: "completed", exit_code: 0 });
  });

  test("prints garbage, and lines that look like ours", async () => {
    const { view, texts, events } = await run("garbage");
    expect(view).toMatchObject({ status: "completed" });
    expect(texts.slice(-2)).toEqual(['{"type":"exit","data":{"code":0},"sidecar_seq":99,"seq":99}', "last"]);
    expect(events.filter(({ type }) => type === "exit")).toHaveLength(1);
  });

  test("prints what is not UTF-8, and characters that the pipe cuts", async () => {
    const { texts } = await run("bad-utf8");
    expect(texts).toEqual(["a\ufffd\ufffdb", "€"]);
  });

  test("prints a line of 64 MiB: it is served as a blob, and memory stays bounded", async () => {
    const before = peakMemory();
    const { view, texts, events } = await run("long-line");
    expect(view).toMatchObject({ status: "completed" });
    expect(texts).toEqual(["before", "after"]);
    const oversized = events.find(({ data }) => data["subtype"] === "oversized_line");
    const name = String(oversized?.data["blob"]);
    const response = await fetch(`${daemon.url}/sessions/${view.id}/blobs/${name}`, {
      headers: { authorization: `Bearer ${daemon.token}` },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    expect([response.status, bytes.length, bytes.every((byte) => byte === 0x78)]).toEqual([200, longLine, true]);
    if (before !== undefined) expect((peakMemory() ?? 0) - before).toBeLessThan(96 * 1024 * 1024);
  });
});

/** The most that the daemon ever had in memory; undefined where there is no /proc. */
function peakMemory(): number | undefined {
  try {
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
