/** What a bad, dying or unusual ACP agent does to its session, and nothing else. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AcpDaemon, startAcpDaemon } from "../support/acp-daemon.ts";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses } from "../support/processes.ts";

let acp: AcpDaemon;
beforeAll(async () => {
  acp = await startAcpDaemon();
});
afterAll(() => acp.stop());

const isRunning = (command: string) => allProcesses().some(({ commandLine }) => commandLine === command);

describe("what an agent prints", () => {
  it("garbage between its messages is kept and the turn goes on", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{garbage}" });
    const events = await acp.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(said(events)).toEqual(["after the garbage"]);
    expect(ofType(events, "system").map((data) => [data["subtype"], data["text"]])).toEqual(
      expect.arrayContaining([
        ["stdout_raw", "this is no json"],
        ["raw", "[1,2]"],
        ["raw", expect.stringContaining("_vendor/news")],
      ]),
    );
    await acp.allGone(id);
  });

  it("an update that we do not know is kept as it is", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{unknown}" });
    const events = await acp.log(id);
    expect(ofType(events, "system")).toContainEqual({ subtype: "raw", text: expect.stringContaining('"dance"') });
    expect(said(events)).toEqual(["after the dance"]);
  });

  it("a request that we do not know is refused and the turn goes on", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{asks}" });
    expect(results(await acp.log(id))).toEqual([{ turn: "t1", status: "success" }]);
  });

  it("a line too long for memory goes to a file", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{long}" });
    const events = await acp.log(id);
    expect(said(events)).toEqual(["after the long line"]);
    expect(JSON.stringify(ofType(events, "system"))).toContain("blob");
  });

  it("plans and thoughts are progress", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{plan}" });
    const kinds = ofType(await acp.log(id), "progress").map((data) => data["kind"]);
    expect(kinds).toEqual(["todo", "reasoning", "reasoning"]);
  });
});

describe("the end of a turn", () => {
  it.each([
    ["{refuse}", "error", "invalid_request"],
    ["{quota}", "error", "quota"],
    ["{full}", "error", "context_exceeded"],
    ["{limited}", "error", "rate_limit"],
    ["{vague}", "error", undefined],
    ["{cut}", "limit", undefined],
  ])("%s is %s with category %s", async (prompt, status, category) => {
    const id = await acp.create({ agent: "fake", prompt });
    const events = await acp.log(id);
    expect(ofType(events, "result")).toMatchObject([{ turn_id: "t1", status }]);
    expect(ofType(events, "result")[0]?.["error_category"]).toBe(category);
    expect(events.at(-1)?.data["code"]).toBe(status === "error" ? 1 : 0);
  });

  it("an agent that dies leaves a result for the turn and for each call", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{die}", interactive: true });
    const events = await acp.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    expect(ofType(events, "tool_result")).toMatchObject([{ id: "c1", synthetic: true, is_error: true }]);
    expect(events.at(-1)?.data).toMatchObject({ code: 137, signal: "SIGKILL", error_category: "agent_crash" });
    await acp.allGone(id);
  });

  it("a command that the agent leaves running after an interrupt is ended", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{command}", interactive: true });
    await eventually(() => isRunning("sleep 307"));
    await acp.daemon.post(`/sessions/${id}/interrupt`);
    const events = await acp.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "interrupted" }]);
    expect(isRunning("sleep 307")).toBe(false);
    await acp.prompt(id, "and on");
    expect(results(await acp.log(id, hasResults(2))).at(-1)).toMatchObject({ status: "success" });
    await acp.daemon.delete(`/sessions/${id}`);
    await acp.allGone(id);
  });

  it("an agent that does not end its turn when told to is ended", async () => {
    const id = await acp.create({ agent: "fake", prompt: "{deaf}", interactive: true });
    await acp.log(id, (events) => said(events).length + ofType(events, "agent_message").length > 0);
    await acp.daemon.post(`/sessions/${id}/interrupt`);
    const events = await acp.log(id);
    expect(ofType(events, "error")).toMatchObject([{ error_category: "stall", turn_id: "t1" }]);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    expect(events.at(-1)?.data).toMatchObject({ error_category: "stall" });
  });

  it("an agent that stays after the end of its input has ended well all the same", async () => {
    const id = await acp.create({ agent: "fake-stays", prompt: "hello" });
    expect((await acp.log(id)).at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    await acp.allGone(id);
  });
});

describe("the start", () => {
  it("an agent that wants a login fails with what to do", async () => {
    const id = await acp.create({ agent: "fake-login", prompt: "hello" });
    const events = await acp.log(id);
    expect(ofType(events, "error")).toMatchObject([
      { error_category: "auth_error", message: expect.stringMatching(/wants a login.*by-key.*key_env/) },
    ]);
    // It never reached the agent.
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    expect(events.at(-1)?.data).toMatchObject({ code: 1, error_category: "auth_error" });
    await acp.allGone(id);
  });

  it("a key that is there is used when the agent asks for it", async () => {
    const id = await acp.create({ agent: "fake-key", prompt: "hello" });
    expect(said(await acp.log(id))).toEqual(["heard with small: hello"]);
  });

  it("another version of the protocol is told as such", async () => {
    const id = await acp.create({ agent: "fake-version", prompt: "hello" });
    const events = await acp.log(id);
    expect(ofType(events, "error")).toMatchObject([{ message: expect.stringContaining("version 7 of ACP") }]);
    expect(events.at(-1)?.data).toMatchObject({ code: 1, error_category: "startup_crash" });
  });

  it("a model is asked for by the agent's option", async () => {
    const id = await acp.create({ agent: "fake", prompt: "hello", model: "large" });
    const events = await acp.log(id);
    expect(said(events)).toEqual(["heard with large: hello"]);
    expect(ofType(events, "result")).toMatchObject([{ model: "large" }]);
  });

  it("a model that the agent does not have ends the session with the reason", async () => {
    const id = await acp.create({ agent: "fake", prompt: "hello", model: "huge" });
    const events = await acp.log(id);
    expect(ofType(events, "error")).toMatchObject([{ message: expect.stringContaining('"huge"') }]);
    expect(events.at(-1)?.data).toMatchObject({ code: 1, error_category: "model_not_found" });
  });
});

describe("an old conversation", () => {
  it("goes on without its history being told again", async () => {
    const first = await acp.create({ agent: "fake", prompt: "one" });
    await acp.log(first);
    const second = await acp.create({ agent: "fake", prompt: "two", resume_session: first });
    const events = await acp.log(second);
    expect(said(events)).toEqual(["heard with small: two"]);
    expect(ofType(events, "tool_use")).toEqual([]);
  });
});
