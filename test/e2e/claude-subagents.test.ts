import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, said, startClaudeDaemon } from "../support/claude-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

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
