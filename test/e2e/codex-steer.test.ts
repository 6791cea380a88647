import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";

let codex: CodexDaemon;
beforeAll(async () => {
  codex = await startCodexDaemon();
});
afterAll(() => codex.stop());

const has = (type: string) => (events: readonly LoggedEvent[]) => events.some((event) => event.type === type);
const isWriting = (events: readonly LoggedEvent[]) =>
  ofType(events, "agent_message").some((data) => data["delta"] === true && data["superseded"] !== true);
const kinds = (events: readonly LoggedEvent[]) => ofType(events, "progress").map((data) => data["kind"]);

const isRunning = (id: string, command: string) => {
  const pids = new Set(sessionProcesses(id));
  return allProcesses().some(({ pid, commandLine }) => pids.has(pid) && commandLine.includes(command));
};

describe("steer", () => {
  it("cuts in while text is written, and says when the model has it", async () => {
    const id = await codex.create({ prompt: "[[slow:8]]", interactive: true });
    await codex.log(id, isWriting);
    const began = Date.now();
    await codex.tell(id, "steer", { text: "Never mind, [[say:steered indeed]]" });
    const events = await codex.log(id, hasResults(1));
    expect(Date.now() - began).toBeLessThan(5_000);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(said(events)).toEqual(["steered indeed"]);
    expect(ofType(events, "agent_message").filter((data) => data["superseded"] === true)).toHaveLength(1);
    expect(kinds(events)).toContain("input_delivered");
    expect(ofType(events, "user_message").map((data) => [data["kind"], data["turn_id"]])).toEqual([
      ["prompt", "t1"],
      ["steer", "t1"],
    ]);
    await codex.daemon.delete(`/sessions/${id}`);
  });

  it("lets a running command finish, and is heard behind it", async () => {
    const id = await codex.create({ prompt: "[[bash:sleep 2; echo slept]]", interactive: true });
    await codex.log(id, has("tool_use"));
    await codex.tell(id, "steer", { text: "[[say:heard behind the tool]]" });
    const events = await codex.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "tool_result")).toMatchObject([{ output: "slept\n", is_error: false }]);
    expect(said(events).at(-1)).toBe("heard behind the tool");
    const at = (wanted: (event: LoggedEvent) => boolean) => events.findIndex(wanted);
    const delivered = at(({ type, data }) => type === "progress" && data["kind"] === "input_delivered");
    expect(delivered).toBeGreaterThan(at(({ type }) => type === "tool_result"));
    await codex.daemon.delete(`/sessions/${id}`);
  });

  it("is a prompt when no turn runs", async () => {
    const id = await codex.create({ prompt: "first", interactive: true });
    await codex.log(id, hasResults(1));
    await codex.tell(id, "steer", { text: "second" });
    const events = await codex.log(id, hasResults(2));
    expect(results(events).map(({ status }) => status)).toEqual(["success", "success"]);
    expect(said(events)).toEqual(["You said: first", "You said: second"]);
    await codex.daemon.delete(`/sessions/${id}`);
  });
});

describe("interrupt", () => {
  it("ends a turn in mid-text, and the session goes on", async () => {
    const id = await codex.create({ prompt: "[[slow:20]]", interactive: true });
    await codex.log(id, isWriting);
    await codex.tell(id, "interrupt");
    const cut = await codex.log(id, hasResults(1));
    expect(results(cut)).toEqual([{ turn: "t1", status: "interrupted" }]);
    const texts = ofType(cut, "agent_message");
    expect(texts.at(-1)).toMatchObject({ delta: false, superseded: true });
    await codex.prompt(id, "and now?");
    const events = await codex.log(id, hasResults(2));
    expect(results(events)[1]).toEqual({ turn: "t2", status: "success" });
    await codex.daemon.delete(`/sessions/${id}`);
  });

  it("ends the running command with its turn", async () => {
    const id = await codex.create({ prompt: "[[bash:touch started; sleep 300]]", interactive: true });
    const { work_dir } = (await codex.daemon.get(`/sessions/${id}`)).body;
    await codex.log(id, has("tool_use"));
    await eventually(() => existsSync(join(work_dir, "started")), { what: "the command's start" });
    await codex.tell(id, "interrupt");
    const events = await codex.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
    expect(ofType(events, "tool_result")).toHaveLength(1);
    await eventually(() => !isRunning(id, "sleep 300"), {
      what: "the end of the command",
    });
    await codex.prompt(id, "go on");
    expect(results(await codex.log(id, hasResults(2)))[1]).toMatchObject({ status: "success" });
    await codex.daemon.delete(`/sessions/${id}`);
    await codex.allGone(id);
  });

  it("leaves nothing when the session is deleted in the middle of a command", async () => {
    const id = await codex.create({ prompt: "[[bash:touch started; sleep 300]]" });
    const { work_dir } = (await codex.daemon.get(`/sessions/${id}`)).body;
    await eventually(() => existsSync(join(work_dir, "started")), { what: "the command's start" });
    await codex.daemon.delete(`/sessions/${id}`);
    await codex.allGone(id);
  });

  it("stops at the most rounds that a turn may take", async () => {
    const id = await codex.create({ prompt: "[[loop]]", max_turns: 2 });
    const events = await codex.log(id);
    expect(ofType(events, "result")).toMatchObject([{ status: "limit", reason: "max_turns" }]);
  });
});
