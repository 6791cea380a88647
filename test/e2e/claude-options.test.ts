import { afterAll, beforeAll, expect, it } from "vitest";
import { type ClaudeDaemon, ofType, startClaudeDaemon } from "../support/claude-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

it("takes settings in its own form", async () => {
  const settings_json = { permissions: { deny: ["Bash"] } };
  const id = await claude.create({ prompt: "[[bash:echo forbidden fruit]]", claude: { settings_json } });
  const events = await claude.log(id);
  expect(ofType(events, "tool_result")).toMatchObject([{ is_error: true }]);
});

it("ends a turn that costs more than its budget", async () => {
  const id = await claude.create({ prompt: "[[bash:echo 1]]", max_budget_usd: 0.000001 });
  const events = await claude.log(id);
  expect(ofType(events, "result")).toMatchObject([{ status: "limit", reason: "max_budget_usd" }]);
});
