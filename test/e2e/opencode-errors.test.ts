import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import { type OpencodeDaemon, startOpencodeDaemon } from "../support/opencode-daemon.ts";

vi.setConfig({ testTimeout: 180_000 });
let opencode: OpencodeDaemon;
beforeAll(async () => {
  opencode = await startOpencodeDaemon({ agentEnv: { OPENCODE_MAX_RETRIES: "1" } });
});
afterAll(() => opencode.stop());

describe("an error of the model", () => {
  it.each([
    ["[[err401]]", "auth_error", false],
    ["[[err403]]", "permission_denied", false],
    ["[[err404]]", "model_not_found", false],
    ["[[err429:99]]", "rate_limit", true],
    ["[[err529:99]]", "upstream_api_error", true],
  ])("%s ends the turn as an error of category %s", async (prompt, category, retryable) => {
    const id = await opencode.create({ prompt });
    const events = await opencode.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "error" }]);
    expect(ofType(events, "error")).toMatchObject([{ error_category: category, retryable, turn_id: "t1" }]);
    expect(ofType(events, "result")[0]).toMatchObject({ error_category: category });
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 1, error_category: category, retryable } });
    expect((await opencode.daemon.get(`/sessions/${id}`)).body.status).toBe("failed");
    await opencode.allGone(id);
  });

  it("that passes shows as a retry, and one in mid-stream takes back what was said", async () => {
    const id = await opencode.create({ prompt: "[[err429:1]]", interactive: true });
    await opencode.log(id, hasResults(1));
    await opencode.prompt(id, "[[drop]]");
    const events = await opencode.log(id, hasResults(2));
    expect(results(events).map(({ status }) => status)).toEqual(["success", "success"]);
    expect(ofType(events, "progress").filter((data) => data["kind"] === "retry")).toMatchObject([
      { turn_id: "t1", attempt: 1, error_category: "rate_limit", http_status: 429 },
      { turn_id: "t2", attempt: 1, error_category: "network" },
    ]);
    expect(said(events)).toEqual(["Recovered.", "The quick brown fox, whole this time."]);
    const taken = ofType(events, "agent_message").filter((data) => data["superseded"] === true);
    expect(taken).toHaveLength(1);
    await opencode.daemon.delete(`/sessions/${id}`);
  });

  it("in an interactive session ends the turn, not the session", async () => {
    const id = await opencode.create({ prompt: "[[err403]]", interactive: true });
    await opencode.log(id, hasResults(1));
    await opencode.prompt(id, "fine");
    expect(results(await opencode.log(id, hasResults(2)))).toEqual([
      { turn: "t1", status: "error" },
      { turn: "t2", status: "success" },
    ]);
    await opencode.daemon.delete(`/sessions/${id}`);
  });
});

describe("a question", () => {
  const asks = (count: number) => (events: Parameters<typeof ofType>[0]) =>
    ofType(events, "input_required").length >= count;
  const answer = (id: string, request: unknown, body: Record<string, unknown>) =>
    opencode.daemon.put(`/sessions/${id}/inputs/${request}`, body);

  it("for permission is answered with yes, with yes for the session, and with no and a reason", async () => {
    const id = await opencode.create({
      prompt: "[[bash:echo first]]",
      interactive: true,
      permission_mode: "interactive",
    });
    const [first] = ofType(await opencode.log(id, asks(1)), "input_required");
    expect(first).toMatchObject({
      kind: "permission",
      turn_id: "t1",
      tool: { name: "bash", kind: "execute" },
      message: expect.stringContaining("echo first"),
    });
    expect((await answer(id, first?.["request_id"], { decision: "approve_session" })).status).toBe(200);
    const approved = await opencode.log(id, hasResults(1));
    expect(ofType(approved, "tool_result")).toMatchObject([
      { output: expect.stringContaining("first"), is_error: false },
    ]);

    await opencode.prompt(id, "[[bash:echo first]] again");
    expect(ofType(await opencode.log(id, hasResults(2)), "input_required")).toHaveLength(1);

    await opencode.prompt(id, "[[bash:echo second]]");
    const asked = ofType(await opencode.log(id, asks(2)), "input_required").at(-1);
    await answer(id, asked?.["request_id"], { decision: "deny", message: "use printf instead" });
    const denied = await opencode.log(id, hasResults(3));
    expect(results(denied).at(-1)).toEqual({ turn: "t3", status: "success" });
    expect(ofType(denied, "tool_result").at(-1)).toMatchObject({
      is_error: true,
      output: expect.stringContaining("use printf instead"),
    });
    expect(ofType(denied, "input_resolved").map((data) => data["decision"])).toEqual(["approve_session", "deny"]);
    expect(JSON.stringify(opencode.model.requests.at(-1)?.body.messages)).toContain("use printf instead");
    await opencode.daemon.delete(`/sessions/${id}`);
    await opencode.allGone(id);
  });

  it("of the agent is answered by a person, and one that is open at an interrupt goes with the turn", async () => {
    const questions = [
      {
        question: "Which colour?",
        header: "Colour",
        options: [
          { label: "Red", description: "Warm" },
          { label: "Blue", description: "Cold" },
        ],
      },
    ];
    const word = `[[call:question ${JSON.stringify({ questions }).replaceAll("]]", "] ]")}]]`;
    const id = await opencode.create({ prompt: word, interactive: true, permission_mode: "interactive" });
    const [asked] = ofType(await opencode.log(id, asks(1)), "input_required");
    expect(asked).toMatchObject({
      kind: "question",
      questions: [{ id: "q1", text: "Which colour?", free_text: true }],
    });
    await answer(id, asked?.["request_id"], { decision: "approve_once", answers: { q1: "Blue" } });
    const events = await opencode.log(id, hasResults(1));
    expect(ofType(events, "tool_result")).toMatchObject([{ output: expect.stringContaining("Blue"), is_error: false }]);

    await opencode.prompt(id, `${word} again`);
    await opencode.log(id, asks(2));
    await opencode.daemon.post(`/sessions/${id}/interrupt`);
    const ended = await opencode.log(id, hasResults(2));
    expect(results(ended).at(-1)).toEqual({ turn: "t2", status: "interrupted" });
    expect(ofType(ended, "input_resolved").at(-1)).toMatchObject({ decision: "aborted" });
    await opencode.daemon.delete(`/sessions/${id}`);
  });

  it("is asked, or not, from the change of the permission mode on", async () => {
    const id = await opencode.create({ prompt: "[[bash:echo one]]", interactive: true });
    expect(ofType(await opencode.log(id, hasResults(1)), "input_required")).toHaveLength(0);
    await opencode.daemon.patch(`/sessions/${id}`, {
      permission_mode: "interactive",
      model: "anthropic/claude-opus-4-5",
    });
    await opencode.prompt(id, "[[bash:echo two]]");
    const [asked] = ofType(await opencode.log(id, asks(1)), "input_required");
    await answer(id, asked?.["request_id"], { decision: "approve_once" });
    await opencode.log(id, hasResults(2));
    expect(opencode.model.requests.at(-1)?.body.model).toBe("claude-opus-4-5");
    await opencode.daemon.patch(`/sessions/${id}`, { permission_mode: "autonomous" });
    await opencode.prompt(id, "[[bash:echo three]]");
    const events = await opencode.log(id, hasResults(3));
    expect(ofType(events, "input_required")).toHaveLength(1);
    await opencode.daemon.delete(`/sessions/${id}`);
  });
});
