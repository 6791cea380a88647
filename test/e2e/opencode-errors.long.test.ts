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
});
