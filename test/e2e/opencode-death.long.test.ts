import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { type OpencodeDaemon, startOpencodeDaemon } from "../support/opencode-daemon.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";

vi.setConfig({ testTimeout: 180_000 });
let opencode: OpencodeDaemon;
beforeAll(async () => {
  opencode = await startOpencodeDaemon();
});
afterAll(() => opencode.stop());

const runsTool = (events: readonly LoggedEvent[]) => events.some(({ type }) => type === "tool_use");
const runs = (command: string) => allProcesses().some(({ commandLine }) => commandLine.includes(command));

describe("interrupt", () => {
  it("right after the prompt is no less heard", async () => {
    const id = await opencode.create({ prompt: "hi", interactive: true });
    await opencode.log(id, hasResults(1));
    await opencode.prompt(id, "[[slow:20]]");
    await opencode.daemon.post(`/sessions/${id}/interrupt`);
    await opencode.prompt(id, "quick");
    const events = await opencode.log(id, (seen) => results(seen).some(({ turn }) => turn === "t3"));
    // A run that had begun before it was aborted may show as a turn of the agent's own.
    expect(results(events).filter(({ turn }) => turn === "t2" || turn === "t3")).toEqual([
      { turn: "t2", status: "interrupted" },
      { turn: "t3", status: "success" },
    ]);
    expect(said(events).at(-1)).toBe("You said: quick");
    await opencode.daemon.delete(`/sessions/${id}`);
  });

  it("by timeout ends the session, its command and its server", async () => {
    const id = await opencode.create({ prompt: "[[bash:sleep 303]]", interactive: true, timeout: "8s" });
    const events = await opencode.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "limit" }]);
    expect((await opencode.daemon.get(`/sessions/${id}`)).body).toMatchObject({ end_reason: "timeout" });
    await opencode.allGone(id);
    expect(runs("sleep 303")).toBe(false);
  });
});

describe("death", () => {
  it("of the server in mid-tool gives the call a made-up result and the turn an aborted one", async () => {
    const id = await opencode.create({ prompt: "[[bash:sleep 304]]", interactive: true });
    await opencode.log(id, runsTool);
    await eventually(() => runs("sleep 304"));
    const ours = new Set(sessionProcesses(id));
    const server = allProcesses().find(({ pid, commandLine }) => ours.has(pid) && commandLine.includes("--hostname"));
    process.kill(server?.pid ?? Number.NaN, "SIGKILL");
    const events = await opencode.log(id);
    expect(ofType(events, "tool_result")).toMatchObject([{ synthetic: true, is_error: true }]);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { signal: "SIGKILL", error_category: "agent_crash" } });
    await opencode.allGone(id);
    const second = await opencode.create({ prompt: "what was that", resume_session: id });
    expect(results(await opencode.log(second))).toEqual([{ turn: "t1", status: "success" }]);
    expect(JSON.stringify(opencode.model.requests.at(-1)?.body.messages)).toContain("sleep 304");
  });
});
