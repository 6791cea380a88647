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

const talks = (events: readonly LoggedEvent[]) => events.filter(({ type }) => type === "agent_message").length >= 3;
const runsTool = (events: readonly LoggedEvent[]) => events.some(({ type }) => type === "tool_use");
const runs = (command: string) => allProcesses().some(({ commandLine }) => commandLine.includes(command));
const delivered = (events: readonly LoggedEvent[]) =>
  ofType(events, "progress").filter((data) => data["kind"] === "input_delivered");

describe("steer", () => {
  it("in mid-text is read when the text is written, in the same turn", async () => {
    const id = await opencode.create({ prompt: "[[slow:4]]", interactive: true });
    await opencode.log(id, talks);
    const steered = await opencode.daemon.post(`/sessions/${id}/steer`, { text: "rather say [[say:steered text]]" });
    expect(steered.body).toMatchObject({ turn_id: "t1" });
    const events = await opencode.log(id, hasResults(1));
    expect(said(events).at(-1)).toBe("steered text");
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(delivered(events)).toMatchObject([{ turn_id: "t1" }]);
    const next = await opencode.prompt(id, "and on");
    expect(results(await opencode.log(id, hasResults(2)))).toEqual([
      { turn: "t1", status: "success" },
      { turn: next, status: "success" },
    ]);
    await opencode.daemon.delete(`/sessions/${id}`);
    await opencode.allGone(id);
  });

  it("in mid-tool is read when the tool has ended, in the same turn", async () => {
    const id = await opencode.create({ prompt: "[[bash:sleep 2 && echo tool-done]]", interactive: true });
    await opencode.log(id, runsTool);
    await opencode.daemon.post(`/sessions/${id}/steer`, { text: "rather say [[say:steered after the tool]]" });
    const events = await opencode.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(delivered(events)).toMatchObject([{ turn_id: "t1" }]);
    expect(ofType(events, "tool_result")).toMatchObject([
      { output: expect.stringContaining("tool-done"), is_error: false },
    ]);
    expect(said(events).at(-1)).toBe("steered after the tool");
    await opencode.daemon.delete(`/sessions/${id}`);
  });

  it("with no turn running is a prompt", async () => {
    const id = await opencode.create({ interactive: true });
    const { body } = await opencode.daemon.post(`/sessions/${id}/steer`, { text: "just a prompt" });
    const events = await opencode.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: body.turn_id, status: "success" }]);
    await opencode.daemon.delete(`/sessions/${id}`);
  });
});

describe("interrupt", () => {
  it("in mid-text ends the turn as interrupted, keeps the queue and goes on", async () => {
    const id = await opencode.create({ prompt: "[[slow:20]]", interactive: true });
    await opencode.log(id, talks);
    await opencode.prompt(id, "next one");
    expect((await opencode.daemon.post(`/sessions/${id}/interrupt`)).status).toBe(202);
    const events = await opencode.log(id, hasResults(2));
    expect(results(events)).toEqual([
      { turn: "t1", status: "interrupted" },
      { turn: "t2", status: "success" },
    ]);
    expect(said(events).at(-1)).toBe("You said: next one");
    await opencode.daemon.delete(`/sessions/${id}`);
  });

  it("in mid-tool ends the running command", async () => {
    const id = await opencode.create({ prompt: "[[bash:sh -c 'sleep 302']]", interactive: true });
    await opencode.log(id, runsTool);
    await eventually(() => runs("sleep 302"));
    await opencode.daemon.post(`/sessions/${id}/interrupt`);
    const events = await opencode.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
    expect(ofType(events, "tool_result")).toHaveLength(1);
    await eventually(() => !runs("sleep 302"));
    await opencode.prompt(id, "still there");
    expect(results(await opencode.log(id, hasResults(2))).at(-1)).toEqual({ turn: "t2", status: "success" });
    await opencode.daemon.delete(`/sessions/${id}`);
  });

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
