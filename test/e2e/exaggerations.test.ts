/** An agent that says what no agent should costs its session nothing but that line. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const command = fileURLToPath(new URL("../fixtures/agents/claude-exaggerates.mjs", import.meta.url));
let daemon: Daemon;
let next: Daemon | undefined;
beforeAll(async () => {
  daemon = await startDaemon({ config: { agents: { odd: { harness: "claude", command } } } });
});
afterAll(async () => {
  await next?.stop();
  await daemon.stop();
});

test.each([2_000, 8_000, 1_000_000])("a line nested %d deep is kept as it is, and the turn goes on", async (depth) => {
  const id = await begun(`deep ${depth}`);
  await daemon.post(`/sessions/${id}/prompt`, { text: "and on" });
  const log = await readLog(daemon, id, { enough: hasResults(2) });
  expect(results(log)).toEqual([
    { turn: "t1", status: "success" },
    { turn: "t2", status: "success" },
  ]);
  const [kept] = ofType(log, "system").filter(({ subtype }) => subtype === "stdout_raw");
  expect(String(kept?.["text"])).toContain("[".repeat(depth));
});

test("a sum that no number can hold ends no session, and hides none from the next daemon", async () => {
  const id = await begun("huge");
  await daemon.post(`/sessions/${id}/prompt`, { text: "huge" });
  await readLog(daemon, id, { enough: hasResults(2) });
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.input_tokens === Number.MAX_SAFE_INTEGER);
  await daemon.kill9();
  next = await startDaemon({ dataDir: daemon.dataDir });
  expect(await next.get(`/sessions/${id}`)).toMatchObject({
    status: 200,
    body: { input_tokens: Number.MAX_SAFE_INTEGER, output_tokens: 2 },
  });
});

async function begun(prompt: string): Promise<string> {
  const { body } = await daemon.post("/sessions", { agent: "odd", interactive: true, prompt });
  return String(body.session_id);
}
