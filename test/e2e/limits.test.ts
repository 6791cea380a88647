import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hierarchiesOf } from "../../src/process/hierarchies.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const fixture = (name: string) => ({
  command: process.execPath,
  args: [new URL(`../fixtures/agents/${name}`, import.meta.url).pathname],
});

let daemon: Daemon;
let held: { memory: boolean; cpus: boolean; pids: boolean };
beforeAll(async () => {
  daemon = await startDaemon({
    config: {
      agents: {
        eats: fixture("eats-memory.mjs"),
        forks: fixture("forks.mjs"),
        spins: { command: "/bin/sh", args: ["-c", "echo spinning; while :; do :; done"] },
        echo: fixture("echo.mjs"),
      },
      limits: { session_memory: "1g", session_cpus: 2, session_pids: 200 },
    },
  });
  held = (await daemon.get("/health")).body.limits;
});
afterAll(async () => {
  await daemon?.stop();
});

async function create(request: Record<string, unknown>): Promise<string> {
  const { status, body, text } = await daemon.post("/sessions", { prompt: "go", ...request });
  expect(status, text).toBe(201);
  return body.session_id;
}

function said(id: string, pattern: RegExp): Promise<string> {
  return readLog(daemon, id, {
    enough: (events) => events.some(({ type, data }) => type === "stdout" && pattern.test(String(data["text"]))),
  }).then((events) => String(events.find(({ data }) => pattern.test(String(data["text"])))?.data["text"]));
}

/** The group of a session's agent, as the kernel shows it of the agent itself. */
function groupOf(id: string, kind: "memory" | "cpus" | "pids"): string {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8");
  const groups = sessionProcesses(id).map((pid) => readFileSync(`/proc/${pid}/cgroup`, "utf8"));
  const found = groups.map((group) => hierarchiesOf(group, mounts)[kind]?.own).find((own) => own?.includes(id));
  if (found === undefined) throw new Error(`no ${kind} group for ${id}`);
  return found;
}

describe("a session's limits", () => {
  test("come from the operator, or are less by request, and are in the view", async (context) => {
    if (!held.memory || !held.cpus || !held.pids)
      context.skip("this machine lets us hold no limits: no root, no delegation");
    const id = await create({ agent: "echo", interactive: true, resources: { memory: "512m", cpus: 0.5 } });
    const { body } = await daemon.get(`/sessions/${id}`);
    expect(body.resources).toEqual({ memory_bytes: 512 * 1024 * 1024, cpus: 0.5, pids: 200 });
    await said(id, /echo/);
    expect(readFileSync(join(groupOf(id, "pids"), "pids.max"), "utf8").trim()).toBe("200");
    await daemon.delete(`/sessions/${id}`);
  });

  test.each([
    [{ memory: "2g" }, "limits.session_memory"],
    [{ cpus: 3 }, "limits.session_cpus"],
    [{ pids: 201 }, "limits.session_pids"],
    [{ memory: "a lot" }, "512m"],
    [{ memory: 1000 }, "16 MiB"],
    [{ disk: "1g" }, "unknown field"],
  ])("are refused when they are %j", async (resources, words) => {
    const { status, text } = await daemon.post("/sessions", { agent: "echo", prompt: "x", resources });
    expect([status, text]).toEqual([400, expect.stringContaining(words)]);
  });

  test("of memory end the agent with the category oom, and its sidecar lives to tell", async (context) => {
    if (!held.memory) context.skip("this machine lets us hold no limit of memory");
    const id = await create({ agent: "eats", resources: { memory: "192m" } });
    const events = await readLog(daemon, id);
    expect(events.at(-1)).toMatchObject({
      type: "exit",
      data: { code: 137, signal: "SIGKILL", error_category: "oom", retryable: true },
    });
    expect((await daemon.get(`/sessions/${id}`)).body.end_reason).toBe("agent_killed");
  });

  test("of processes hold a fork bomb, which is ended whole", async (context) => {
    if (!held.pids) context.skip("this machine lets us hold no limit of processes");
    const id = await create({ agent: "forks", resources: { pids: 64 } });
    const [, count] = /held after (\d+): .*EAGAIN/.exec(await said(id, /^held/)) ?? [];
    expect(Number(count)).toBeLessThan(64);
    expect(readFileSync(join(groupOf(id, "pids"), "pids.events"), "utf8")).toMatch(/^max [1-9]/m);
    // The daemon and other sessions start processes as before.
    await said(await create({ agent: "echo", prompt: "hello" }), /echo: hello/);
    await daemon.delete(`/sessions/${id}`);
    await eventually(() => sessionProcesses(id).length === 0, { what: "the end of every process" });
  });

  test("of processors hold one that spins", async (context) => {
    if (!held.cpus) context.skip("this machine lets us hold no limit of processors");
    // So little that it meets its limit on a busy machine too.
    const id = await create({ agent: "spins", resources: { cpus: 0.02 } });
    await said(id, /spinning/);
    const group = groupOf(id, "cpus");
    await eventually(() => /^nr_throttled [1-9]/m.test(readFileSync(join(group, "cpu.stat"), "utf8")), {
      deadlineMs: 60_000,
      what: "the kernel's word that it was held",
    });
    await daemon.delete(`/sessions/${id}`);
  });

  test("leave no group behind", async (context) => {
    if (!held.pids) context.skip("this machine lets us hold no limit of processes");
    const id = await create({ agent: "echo", interactive: true });
    await said(id, /echo/);
    const group = groupOf(id, "pids");
    await daemon.delete(`/sessions/${id}`);
    await eventually(() => {
      try {
        readFileSync(join(group, "cgroup.procs"));
        return false;
      } catch {
        return true;
      }
    });
  });
});
