import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";
import { allProcesses, sessionProcesses } from "../support/processes.ts";

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
  it.each([
    ["[[err400]]", "invalid_request", false],
    ["[[err401]]", "auth_error", false],
    ["[[err403]]", "permission_denied", false],
    ["[[err404]]", "model_not_found", false],
    ["[[err429:99]]", "rate_limit", true],
    ["[[err500:99]]", "upstream_api_error", true],
    ["[[err503:99]]", "upstream_api_error", true],
    ["[[quota]]", "quota", false],
    ["[[contextfull]]", "context_exceeded", false],
  ])("%s ends the turn as %s", async (word, category, retryable) => {
    const id = await codex.create({ prompt: word, interactive: true });
    const events = await codex.log(id, hasResults(1));
    expect(ofType(events, "result")).toMatchObject([{ turn_id: "t1", status: "error", error_category: category }]);
    expect(ofType(events, "error")).toMatchObject([{ turn_id: "t1", error_category: category, retryable }]);
    await codex.prompt(id, "still there?");
    expect(results(await codex.log(id, hasResults(2)))[1]).toMatchObject({ status: "success" });
    await codex.daemon.delete(`/sessions/${id}`);
  });

  it("is given up at the second refusal of the key, long before the retries are over", async () => {
    const patient = await startCodexDaemon();
    const events = await patient.log(await patient.create({ prompt: "[[err401]]" }));
    expect(ofType(events, "result")).toMatchObject([{ status: "error", error_category: "auth_error" }]);
    expect(patient.model.requests.length).toBeLessThan(5);
    await patient.stop();
  });

  it.each(["[[err429:1]]", "[[err500:2]]"])("%s that passes shows as a retry at most", async (word) => {
    const events = await codex.log(await codex.create({ prompt: word }));
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

  it("is a network failure when nobody answers", async () => {
    const port = await freePort();
    const alone = await startCodexDaemon({ args: impatient, baseUrl: `http://127.0.0.1:${port}` });
    const events = await alone.log(await alone.create({ prompt: "is anybody there?" }));
    expect(ofType(events, "result")).toMatchObject([{ status: "error", error_category: "network" }]);
    await alone.stop();
  });
});

it("closes what is open when the agent is killed", async () => {
  const id = await codex.create({ prompt: "[[bash:sleep 300]]", interactive: true });
  await codex.log(id, (events) => events.some(({ type }) => type === "tool_use"));
  const pids = sessionProcesses(id);
  const agent = allProcesses().find(({ pid, commandLine }) => pids.includes(pid) && commandLine.includes("app-server"));
  if (!agent) throw new Error("there is no app-server");
  process.kill(agent.pid, "SIGKILL");
  const events = await codex.log(id);
  expect(ofType(events, "tool_result")).toMatchObject([{ synthetic: true, is_error: true }]);
  expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
  expect(events.at(-1)).toMatchObject({
    type: "exit",
    data: { code: 137, signal: "SIGKILL", error_category: "agent_crash" },
  });
  await codex.allGone(id);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
