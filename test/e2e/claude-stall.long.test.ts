import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon({ config: { limits: { stall_warning: "1s", stall_kill: "6s" } } });
});
afterAll(() => claude.stop());

describe("the watchdog", () => {
  it("warns of a silent model, then ends the session, and says what was waited for", async () => {
    const id = await claude.create({ prompt: "[[silent]]", interactive: true });
    const events = await claude.log(id);
    const facts = ofType(events, "system").map(({ subtype, waiting_for }) => ({ subtype, waiting_for }));
    expect(facts.filter(({ subtype }) => String(subtype).startsWith("stall"))).toEqual([
      { subtype: "stall_warning", waiting_for: "model" },
      { subtype: "stall_kill", waiting_for: "model" },
    ]);
    expect(results(events)).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { error_category: "stall", retryable: true } });
    expect((await claude.daemon.get(`/sessions/${id}`)).body).toMatchObject({ status: "failed", end_reason: "stall" });
    await claude.allGone(id);
  });

  it("leaves alone a session whose tool runs, and one that waits for a person", async () => {
    const id = await claude.create({ prompt: "[[bash:sh -c 'sleep 9; echo late']]", interactive: true });
    const events = await claude.log(id, hasResults(1));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    await claude.prompt(id, "still here");
    expect(results(await claude.log(id, hasResults(2)))).toHaveLength(2);
    await claude.daemon.delete(`/sessions/${id}`);
  });
});
