import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, ofType, results, said, startClaudeDaemon } from "../support/claude-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon({ agentEnv: { CLAUDE_CODE_MAX_RETRIES: "3" } });
});
afterAll(() => claude.stop());

describe("an error of the model", () => {
  it("inside the stream loses no text and closes what was cut", async () => {
    const id = await claude.create({ prompt: "[[sseerror]]" });
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(said(events)).toEqual(["The quick brown fox, whole this time."]);
    const messages = ofType(events, "agent_message");
    const opened = new Set(messages.filter((data) => data["delta"] === true).map((data) => data["item_id"]));
    const closed = new Set(messages.filter((data) => data["delta"] === false).map((data) => data["item_id"]));
    expect([...opened].every((item) => closed.has(item))).toBe(true);
  });
});
