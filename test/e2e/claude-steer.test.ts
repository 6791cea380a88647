import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, said, startClaudeDaemon } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses } from "../support/processes.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const talks = (events: readonly LoggedEvent[]) => events.filter(({ type }) => type === "agent_message").length >= 3;
const runsTool = (events: readonly LoggedEvent[]) => events.some(({ type }) => type === "tool_use");
const runs = (command: string) => allProcesses().some(({ commandLine }) => commandLine.includes(command));

describe("steer", () => {
  it("in mid-text cuts the text and goes on with the new words in the same turn", async () => {
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true });
    await claude.log(id, talks);
    const steered = await claude.daemon.post(`/sessions/${id}/steer`, { text: "rather say [[say:steered text]]" });
    expect(steered.body).toMatchObject({ turn_id: "t1", position: 0 });
    const events = await claude.log(id, hasResults(1));
    expect(said(events).at(-1)).toBe("steered text");
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "progress").filter((data) => data["kind"] === "input_delivered")).toMatchObject([
      { turn_id: "t1" },
    ]);
    const next = await claude.prompt(id, "and on");
    const on = await claude.log(id, hasResults(2));
    expect(results(on)).toEqual([
      { turn: "t1", status: "success" },
      { turn: next, status: "success" },
    ]);
    await claude.daemon.delete(`/sessions/${id}`);
    await claude.allGone(id);
  });

  it("in mid-tool lets the tool end and is read in the same turn", async () => {
    const id = await claude.create({ prompt: "[[bash:sleep 2 && echo tool-done]]", interactive: true });
    await claude.log(id, runsTool);
    await claude.daemon.post(`/sessions/${id}/steer`, { text: "rather say [[say:steered after the tool]]" });
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "tool_result")).toMatchObject([
      { output: expect.stringContaining("tool-done"), is_error: false },
    ]);
    expect(JSON.stringify(claude.model.requests.at(-1)?.body.messages)).toContain("steered after the tool");
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("with no turn running is a prompt", async () => {
    const id = await claude.create({ interactive: true });
    const { body } = await claude.daemon.post(`/sessions/${id}/steer`, { text: "just a prompt" });
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: body.turn_id, status: "success" }]);
    await claude.daemon.delete(`/sessions/${id}`);
  });
});

describe("interrupt", () => {
  it("in mid-text ends the turn as interrupted, keeps the queue and goes on", async () => {
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true });
    await claude.log(id, talks);
    await claude.prompt(id, "next one");
    expect((await claude.daemon.post(`/sessions/${id}/interrupt`)).status).toBe(202);
    const events = await claude.log(id, hasResults(2));
    expect(results(events)).toEqual([
      { turn: "t1", status: "interrupted" },
      { turn: "t2", status: "success" },
    ]);
    expect(said(events).at(-1)).toBe("You said: next one");
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("in mid-tool ends the running command", async () => {
    const id = await claude.create({ prompt: "[[bash:sh -c 'sleep 301']]", interactive: true });
    await claude.log(id, runsTool);
    await eventually(() => runs("sleep 301"));
    await claude.daemon.post(`/sessions/${id}/interrupt`);
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
    expect(ofType(events, "tool_result")).toHaveLength(1);
    await eventually(() => !runs("sleep 301"));
    await claude.prompt(id, "still there");
    expect(results(await claude.log(id, hasResults(2))).at(-1)).toEqual({ turn: "t2", status: "success" });
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("with nothing running changes nothing", async () => {
    const id = await claude.create({ prompt: "hi", interactive: true });
    await claude.log(id, hasResults(1));
    expect((await claude.daemon.post(`/sessions/${id}/interrupt`)).status).toBe(202);
    await claude.prompt(id, "on we go");
    expect(results(await claude.log(id, hasResults(2)))).toEqual([
      { turn: "t1", status: "success" },
      { turn: "t2", status: "success" },
    ]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("by turn_timeout ends the turn as limit, and the session goes on", async () => {
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true, turn_timeout: "1s" });
    await claude.log(id, hasResults(1));
    await claude.prompt(id, "quick");
    const events = await claude.log(id, hasResults(2));
    expect(results(events)).toEqual([
      { turn: "t1", status: "limit" },
      { turn: "t2", status: "success" },
    ]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("by timeout ends the session", async () => {
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
});

describe("a subagent in the background", () => {
  it("ends in a turn of the agent's own, and the prompts keep their results", async () => {
    const id = await claude.create({ prompt: "[[task:2]]", interactive: true });
    await claude.log(id, hasResults(1));
    const second = await claude.prompt(id, "meanwhile");
    const events = await claude.log(id, (seen) => ofType(seen, "result").some((data) => data["origin"] === "agent"));
    const own = ofType(events, "result").filter((data) => data["origin"] === "agent");
    expect(own).toHaveLength(1);
    expect(String(own[0]?.["turn_id"])).toMatch(/^t\d+\.\d+$/);
    const ofPrompts = results(events).filter(({ turn }) => turn === "t1" || turn === second);
    expect(ofPrompts).toEqual([
      { turn: "t1", status: "success" },
      { turn: second, status: "success" },
    ]);
    const uses = ofType(events, "tool_use").map((data) => data["id"]);
    expect(
      ofType(events, "tool_result")
        .map((data) => data["id"])
        .sort(),
    ).toEqual([...uses].sort());
    await claude.daemon.delete(`/sessions/${id}`);
    await claude.allGone(id);
  });

  it("is waited for by a one-shot session", async () => {
    const id = await claude.create({ prompt: "[[task:1]]" });
    const events = await claude.log(id);
    expect(results(events).filter(({ turn }) => turn === "t1")).toEqual([{ turn: "t1", status: "success" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(said(events).join(" ")).toContain("The subagent is at work.");
  });
});
