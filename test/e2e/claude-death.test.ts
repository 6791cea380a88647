import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses } from "../support/processes.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const runs = (command: string) => allProcesses().some(({ commandLine }) => commandLine.includes(command));

/** A session whose agent runs `command`, and the pids of agent and sidecar. */
async function busySession(command: string): Promise<{ id: string; agent: number; sidecar: number }> {
  const id = await claude.create({ prompt: `[[bash:sh -c '${command}']]`, interactive: true });
  await eventually(() => runs(command), { deadlineMs: 60_000, what: command });
  const agent = allProcesses().find(
    ({ commandLine, environment }) =>
      commandLine.includes("stream-json") && environment.includes(`AGENTRUNTIME_SESSION_ID=${id}`),
  )?.pid;
  const sidecar = Number(
    JSON.parse(readFileSync(join(claude.daemon.dataDir, "sessions", id, "sidecar.json"), "utf8")).pid,
  );
  if (agent === undefined) throw new Error("the agent was not found");
  return { id, agent, sidecar };
}

describe("kill -9", () => {
  it("of the sidecar ends the session honestly, and nothing of it lives on", async () => {
    const { id, sidecar } = await busySession("sleep 312");
    await claude.prompt(id, "waiting in the queue");
    process.kill(sidecar, "SIGKILL");
    const events = await claude.log(id);
    expect(results(events)).toEqual([
      { turn: "t1", status: "aborted" },
      { turn: "t2", status: "aborted" },
    ]);
    // The agent had the first one for a while, and never got the second.
    expect(ofType(events, "result")).toMatchObject([
      { duration_ms: expect.toSatisfy((ms: number) => ms > 0) },
      { duration_ms: 0 },
    ]);
    expect(ofType(events, "tool_result")).toMatchObject([{ synthetic: true }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "sidecar_lost" } });
    expect((await claude.daemon.get(`/sessions/${id}`)).body).toMatchObject({
      status: "failed",
      end_reason: "sidecar_lost",
    });
    await claude.allGone(id);
    await eventually(() => !runs("sleep 312"));
  });
});

describe("the end of a session in mid-turn", () => {
  it("by DELETE leaves no process and keeps the log", async () => {
    const { id } = await busySession("sleep 313");
    const answer = await claude.daemon.delete(`/sessions/${id}`);
    expect(answer).toMatchObject({ status: 200, body: { id, state: "failed" } });
    await claude.allGone(id);
    expect(runs("sleep 313")).toBe(false);
    expect((await claude.daemon.get(`/sessions/${id}`)).status).toBe(404);
    const log = await claude.daemon.get(`/sessions/${id}/log`);
    expect(log.text.trimEnd().split("\n").at(-1)).toContain('"type":"exit"');
  });

  it("by timeout is told as such", async () => {
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true, timeout: "1s" });
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "limit" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "timeout" } });
    expect((await claude.daemon.get(`/sessions/${id}`)).body).toMatchObject({
      status: "failed",
      end_reason: "timeout",
    });
    await claude.allGone(id);
  });

  it("by stop keeps it listed", async () => {
    const { id } = await busySession("sleep 314");
    await claude.daemon.post(`/sessions/${id}/stop`);
    const events = await claude.log(id);
    expect(results(events)).toHaveLength(1);
    expect(["interrupted", "aborted"]).toContain(results(events)[0]?.status);
    await claude.allGone(id);
    expect(runs("sleep 314")).toBe(false);
    expect((await claude.daemon.get(`/sessions/${id}`)).body).toMatchObject({
      status: "failed",
      end_reason: "stopped",
    });
  });

  it("by a natural end leaves nothing that the agent put into the background", async () => {
    const id = await claude.create({ prompt: "[[bash:setsid sleep 315 > /dev/null 2>&1 & echo started]]" });
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    await claude.allGone(id);
    await eventually(() => !runs("sleep 315"));
  });
});
