import { afterAll, beforeAll, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import { startDaemon } from "../support/start-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

it("ends what waits once it is spent, takes no more, and is remembered by the next daemon", async () => {
  const id = await claude.create({ interactive: true, max_budget_usd: 0.000001 });
  // Both are accepted before the first can have ended.
  await Promise.all([claude.prompt(id, "one"), claude.prompt(id, "two")]);
  const events = await claude.log(id, hasResults(2));
  expect(results(events).map(({ turn }) => turn)).toEqual(["t1", "t2"]);
  expect(ofType(events, "result")[1]).toMatchObject({ turn_id: "t2", status: "limit", reason: "max_budget_usd" });
  const refused = await claude.daemon.post(`/sessions/${id}/prompt`, { text: "three" });
  expect([refused.status, refused.body.error]).toEqual([409, "budget_spent"]);
  await claude.daemon.kill9();
  const next = await startDaemon({ dataDir: claude.daemon.dataDir, env: { TEST_MODEL_KEY: "no-key-needed" } });
  try {
    const again = await next.post(`/sessions/${id}/prompt`, { text: "four" });
    expect([again.status, again.body.error]).toEqual([409, "budget_spent"]);
  } finally {
    await next.stop();
  }
});
