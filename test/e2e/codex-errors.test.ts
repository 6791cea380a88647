import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";

/** The operator's own flags win over ours: two tries of each kind, so that failures are believed soon. */
const impatient = [
  "-c",
  "model_providers.agentruntime.request_max_retries=1",
  "-c",
  "model_providers.agentruntime.stream_max_retries=2",
];

let codex: CodexDaemon;
beforeAll(async () => {
  codex = await startCodexDaemon({ args: impatient });
});
afterAll(() => codex.stop());

const retries = (events: Parameters<typeof ofType>[0]) =>
  ofType(events, "progress").filter((data) => data["kind"] === "retry");

describe("a failure of the model service", () => {
  it("that is a refused request ends the turn as invalid_request", async () => {
    const id = await codex.create({ prompt: "[[err400]]", interactive: true });
    const events = await codex.log(id, hasResults(1));
    expect(ofType(events, "error")).toMatchObject([
      { turn_id: "t1", error_category: "invalid_request", retryable: false },
    ]);
    await codex.daemon.delete(`/sessions/${id}`);
  });

  it("is given up at the second refusal of the key, long before the retries are over", async () => {
    const patient = await startCodexDaemon();
    const events = await patient.log(await patient.create({ prompt: "[[err401]]" }));
    expect(ofType(events, "result")).toMatchObject([{ status: "error", error_category: "auth_error" }]);
    expect(patient.model.requests.length).toBeLessThan(5);
    await patient.stop();
  });

  it("that passes with the second answer shows as a retry at most", async () => {
    const events = await codex.log(await codex.create({ prompt: "[[err500:2]]" }));
    expect(ofType(events, "result")).toMatchObject([{ status: "success", text: "Recovered." }]);
    expect(retries(events).every((data) => typeof data["attempt"] === "number")).toBe(true);
  });

  it("in mid-stream closes what was written and writes it anew", async () => {
    const events = await codex.log(await codex.create({ prompt: "[[drop]]" }));
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(retries(events)).toHaveLength(1);
    const whole = ofType(events, "agent_message").filter((data) => data["delta"] === false);
    expect(whole.map((data) => data["superseded"] === true)).toEqual([true, false]);
  });
});
