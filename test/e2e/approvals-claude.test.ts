/** The real Claude Code asks, a person answers: through the daemon, by PUT and by WebSocket. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, said, startClaudeDaemon } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { eventually } from "../support/eventually.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const ask = { interactive: true, permission_mode: "interactive" };
const asked = (count: number) => (events: readonly LoggedEvent[]) => ofType(events, "input_required").length >= count;

/** The open questions, once there is one. */
const open = (id: string) =>
  eventually(async () => {
    const { inputs } = (await claude.daemon.get(`/sessions/${id}`)).body;
    return inputs.length > 0 && inputs;
  });
const answer = (id: string, request: string, body: object) =>
  claude.daemon.put(`/sessions/${id}/inputs/${request}`, body);
const workDirOf = async (id: string) => String((await claude.daemon.get(`/sessions/${id}`)).body.work_dir);

describe("a permission", () => {
  it("is asked once, listed, and approved for this call", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch made.txt && echo made]]" });
    const [input] = await open(id);
    expect(input).toMatchObject({
      turn_id: "t1",
      kind: "permission",
      tool: { name: "Bash", kind: "execute", input: { command: "touch made.txt && echo made" } },
      options: [{ id: "approve_once" }, { id: "approve_session" }, { id: "deny" }],
    });
    expect(input.expires_at).toBeUndefined();
    expect((await claude.daemon.get(`/sessions/${id}`)).body).toMatchObject({
      activity: "awaiting_input",
      permission_mode: "interactive",
    });
    const said = await answer(id, input.request_id, { decision: "approve_once" });
    expect(said).toMatchObject({ status: 200, body: { request_id: input.request_id, decision: "approve_once" } });
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "input_resolved")).toEqual([
      { request_id: input.request_id, decision: "approve_once", by: "client" },
    ]);
    expect(ofType(events, "tool_result")).toMatchObject([{ is_error: false, output: expect.stringContaining("made") }]);
    expect(existsSync(join(await workDirOf(id), "made.txt"))).toBe(true);
    expect((await claude.daemon.get(`/sessions/${id}`)).body).toMatchObject({ activity: "idle", inputs: [] });

    const again = await answer(id, input.request_id, { decision: "approve_once" });
    expect(again.status).toBe(200);
    const other = await answer(id, input.request_id, { decision: "deny" });
    expect(other).toMatchObject({ status: 409, body: { error: "input_answered", decision: "approve_once" } });
    const unknown = await answer(id, "no-such", { decision: "deny" });
    expect(unknown).toMatchObject({ status: 404, body: { error: "input_not_found" } });
    await claude.daemon.delete(`/sessions/${id}`);
    await claude.allGone(id);
  });

  it("is denied with a message that the model reads", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch never.txt]]" });
    const [input] = await open(id);
    await answer(id, input.request_id, { decision: "deny", message: "Use the other folder" });
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "input_resolved")).toMatchObject([{ decision: "deny", message: "Use the other folder" }]);
    expect(JSON.stringify(claude.model.requests.at(-1)?.body.messages)).toContain("Use the other folder");
    expect(existsSync(join(await workDirOf(id), "never.txt"))).toBe(false);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("approved for the session covers the same tool and target only", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch same.txt]]" });
    const [input] = await open(id);
    await answer(id, input.request_id, { decision: "approve_session" });
    await claude.log(id, hasResults(1));
    await claude.prompt(id, "[[bash:touch same.txt]]");
    const twice = await claude.log(id, hasResults(2));
    expect(ofType(twice, "input_required")).toHaveLength(1);
    expect(ofType(twice, "tool_result").map((data) => data["is_error"])).toEqual([false, false]);
    await claude.prompt(id, "[[bash:touch another.txt]]");
    await claude.log(id, asked(2));
    const [other] = await open(id);
    expect(other.tool.input.command).toBe("touch another.txt");
    await answer(id, other.request_id, { decision: "approve_once", updated_input: { command: "touch edited.txt" } });
    const events = await claude.log(id, hasResults(3));
    expect(ofType(events, "input_resolved").at(-1)).toMatchObject({ updated_input: { command: "touch edited.txt" } });
    const dir = await workDirOf(id);
    expect([existsSync(join(dir, "edited.txt")), existsSync(join(dir, "another.txt"))]).toEqual([true, false]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("that nobody answers expires as declared, and the turn goes on", async () => {
    const id = await claude.create({ permission_mode: "interactive", input_timeout: "1s", prompt: "[[bash:touch x]]" });
    const events = await claude.log(id);
    const [input] = ofType(events, "input_required");
    expect(Number(input?.["expires_at"])).toBeGreaterThan(Date.now() - 60_000);
    expect(ofType(events, "input_resolved")).toMatchObject([
      { request_id: input?.["request_id"], decision: "expired", by: "timeout" },
    ]);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(JSON.stringify(claude.model.requests.at(-1)?.body.messages)).toContain("Nobody answered within 1 s");
    const late = await answer(id, String(input?.["request_id"]), { decision: "approve_once" });
    expect(late).toMatchObject({ status: 409, body: { error: "input_answered", decision: "expired" } });
    await claude.allGone(id);
  });

  it("does not use up the time of a turn or of the session while it is open", async () => {
    const id = await claude.create({ ...ask, turn_timeout: "4s", timeout: "6s", prompt: "[[bash:touch slow]]" });
    const [input] = await open(id);
    await new Promise((resolve) => setTimeout(resolve, 6500));
    await answer(id, input.request_id, { decision: "approve_once" });
    expect(results(await claude.log(id, hasResults(1)))).toEqual([{ turn: "t1", status: "success" }]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("is closed with its turn when that is interrupted, and the session goes on", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch gone.txt]]" });
    const [input] = await open(id);
    await claude.daemon.post(`/sessions/${id}/interrupt`);
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
    expect(ofType(events, "input_resolved")).toMatchObject([{ request_id: input.request_id, decision: "aborted" }]);
    await claude.prompt(id, "on we go");
    expect(results(await claude.log(id, hasResults(2))).at(-1)).toEqual({ turn: "t2", status: "success" });
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("is closed when the session is stopped while it is open", async () => {
    const id = await claude.create({ ...ask, prompt: "[[bash:touch gone.txt]]" });
    await open(id);
    await claude.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
    const events = await claude.log(id);
    expect(ofType(events, "input_resolved")).toMatchObject([{ decision: "aborted" }]);
    expect(events.at(-1)?.type).toBe("exit");
    await claude.allGone(id);
  });
});

describe("a question", () => {
  const question = {
    questions: [
      {
        question: "Which colour?",
        header: "Colour",
        options: [
          { label: "Red", description: "Warm" },
          { label: "Blue", description: "Cold" },
        ],
        multiSelect: false,
      },
    ],
  };
  const prompt = `[[call:AskUserQuestion ${JSON.stringify(question)}]]`;

  it("is answered by a choice, which the model reads", async () => {
    const id = await claude.create({ ...ask, prompt });
    const [input] = await open(id);
    expect(input).toMatchObject({
      kind: "question",
      questions: [{ id: "q1", text: "Which colour?", multiple: false, free_text: true }],
      options: [
        { id: "q1.1", label: "Red", question: "q1" },
        { id: "q1.2", label: "Blue", question: "q1" },
      ],
    });
    const empty = await answer(id, input.request_id, { decision: "approve_once" });
    expect(empty).toMatchObject({ status: 400, body: { error: "invalid_request" } });
    await answer(id, input.request_id, { decision: "approve_once", answers: { q1: "q1.2" } });
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "tool_result")).toMatchObject([{ is_error: false, output: expect.stringContaining("Blue") }]);
    expect(ofType(events, "input_resolved")).toMatchObject([{ answers: { q1: "q1.2" } }]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("is answered in free text", async () => {
    const id = await claude.create({ ...ask, prompt });
    const [input] = await open(id);
    await answer(id, input.request_id, { decision: "approve_once", message: "a shade of green" });
    const events = await claude.log(id, hasResults(1));
    expect(ofType(events, "tool_result")[0]?.["output"]).toContain("a shade of green");
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("is not asked where nobody can be asked", async () => {
    const id = await claude.create({ prompt });
    const events = await claude.log(id);
    expect(ofType(events, "input_required")).toEqual([]);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "tool_result")).toMatchObject([{ is_error: true }]);
  });
});

describe("a plan", () => {
  it("is confirmed, and then the agent goes on", async () => {
    const id = await claude.create({ ...ask, prompt: "[[plan:First look then leap]]" });
    let input = (await open(id))[0];
    if (input.kind !== "plan") {
      await answer(id, input.request_id, { decision: "approve_once" });
      await claude.log(id, asked(2));
      input = (await open(id))[0];
    }
    expect(input).toMatchObject({ kind: "plan", options: [{ id: "approve_once" }, { id: "deny" }] });
    const wide = await answer(id, input.request_id, { decision: "approve_session" });
    expect(wide.status).toBe(400);
    await answer(id, input.request_id, { decision: "approve_once" });
    const events = await claude.log(id, hasResults(1));
    expect(said(events).at(-1)).toBe("The plan is settled.");
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    await claude.daemon.delete(`/sessions/${id}`);
  });
});

describe("modes and models", () => {
  it("are changed while the session runs", async () => {
    const id = await claude.create({ interactive: true, prompt: "[[bash:touch free.txt]]" });
    const free = await claude.log(id, hasResults(1));
    expect(ofType(free, "input_required")).toEqual([]);
    const changed = await claude.daemon.patch(`/sessions/${id}`, {
      permission_mode: "interactive",
      model: "claude-haiku-4-5",
    });
    expect(changed).toMatchObject({ status: 200, body: { permission_mode: "interactive" } });
    await claude.prompt(id, "[[bash:touch asked.txt]]");
    const [input] = await open(id);
    expect(claude.model.requests.at(-1)?.body.model).toContain("haiku");
    await answer(id, input.request_id, { decision: "approve_once" });
    await claude.log(id, hasResults(2));
    await claude.daemon.patch(`/sessions/${id}`, { permission_mode: "autonomous" });
    await claude.prompt(id, "[[bash:touch free-again.txt]]");
    const events = await claude.log(id, hasResults(3));
    expect(ofType(events, "input_required")).toHaveLength(1);
    expect(ofType(events, "error")).toEqual([]);
    expect((await claude.daemon.patch(`/sessions/${id}`, {})).status).toBe(400);
    await claude.daemon.delete(`/sessions/${id}`);
  });
});

describe("a fork", () => {
  it("goes on with a copy while the first session lives", async () => {
    const id = await claude.create({ interactive: true, prompt: "remember the word heron" });
    await claude.log(id, hasResults(1));
    const forked = await claude.create({ resume_session: id, fork: true, prompt: "and now" });
    const events = await claude.log(forked);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(JSON.stringify(claude.model.requests.at(-1)?.body.messages)).toContain("heron");
    const [mine, copy] = await Promise.all(
      [id, forked].map(async (one) => (await claude.daemon.get(`/sessions/${one}`)).body.agent_session_id),
    );
    expect(copy).not.toBe(mine);
    await claude.daemon.delete(`/sessions/${id}`);
  });
});
