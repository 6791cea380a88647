import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, ofType, results, said, startClaudeDaemon } from "../support/claude-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon({ agentEnv: { CLAUDE_CODE_MAX_RETRIES: "3" } });
});
afterAll(() => claude.stop());

describe("an error of the model", () => {
  it.each([
    ["[[err401]]", "auth_error", false],
    ["[[err403]]", "permission_denied", false],
    ["[[err404]]", "model_not_found", false],
    ["[[err429:99]]", "rate_limit", true],
    ["[[err529:99]]", "upstream_api_error", true],
  ])("%s ends the turn as an error of category %s", async (prompt, category, retryable) => {
    const id = await claude.create({ prompt });
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "error" }]);
    expect(ofType(events, "error")).toMatchObject([{ error_category: category, retryable, turn_id: "t1" }]);
    expect(ofType(events, "result")[0]).toMatchObject({ error_category: category });
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 1, error_category: category, retryable } });
    expect((await claude.daemon.get(`/sessions/${id}`)).body.status).toBe("failed");
    await claude.allGone(id);
  });

  it("that passes shows as a retry and the turn succeeds", async () => {
    const id = await claude.create({ prompt: "[[err429:1]]" });
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "progress").filter((data) => data["kind"] === "retry")).toMatchObject([
      { attempt: 1, error_category: "rate_limit" },
    ]);
    expect(said(events)).toEqual(["Recovered."]);
  });

  it.each(["[[drop]]", "[[sseerror]]"])(
    "%s in the middle of the stream loses no text and closes what was cut",
    async (prompt) => {
      const id = await claude.create({ prompt });
      const events = await claude.log(id);
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      expect(said(events)).toEqual(["The quick brown fox, whole this time."]);
      const messages = ofType(events, "agent_message");
      const opened = new Set(messages.filter((data) => data["delta"] === true).map((data) => data["item_id"]));
      const closed = new Set(messages.filter((data) => data["delta"] === false).map((data) => data["item_id"]));
      expect([...opened].every((item) => closed.has(item))).toBe(true);
    },
  );

  it("in an interactive session ends the turn, not the session", async () => {
    const id = await claude.create({ prompt: "[[err403]]", interactive: true });
    await claude.log(id, (events) => results(events).length === 1);
    await claude.prompt(id, "fine");
    const events = await claude.log(id, (seen) => results(seen).length === 2);
    expect(results(events)).toEqual([
      { turn: "t1", status: "error" },
      { turn: "t2", status: "success" },
    ]);
    await claude.daemon.delete(`/sessions/${id}`);
  });

  it("that the agent only talks about ends nothing", async () => {
    const id = await claude.create({ prompt: "[[say:authentication failed, rate limit exceeded, invalid API key]]" });
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(events.at(-1)?.data).not.toHaveProperty("error_category");
  });
});

describe("limits", () => {
  it("max_turns ends the turn as limit", async () => {
    const id = await claude.create({ prompt: "[[loop]]", max_turns: 2 });
    expect(results(await claude.log(id))).toEqual([{ turn: "t1", status: "limit" }]);
  });
});
