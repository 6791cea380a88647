import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, startClaudeDaemon } from "../support/claude-daemon.ts";

let claude: ClaudeDaemon;
beforeAll(async () => {
  claude = await startClaudeDaemon();
});
afterAll(() => claude.stop());

const stdio = { mcp_servers: [{ name: "lab", cmd: ["node", "server.mjs"] }] };
const ask = (more: object) => claude.daemon.post("/sessions", { agent: "claude", prompt: "hi", ...more });

describe("what a request brings along", () => {
  it("is kept without its secrets", async () => {
    const id = await claude.create({
      prompt: "hi",
      instructions: "be brief",
      claude: { settings_json: { language: "hidden-word" } },
      mcp_servers: [{ name: "lab", url: "http://127.0.0.1:9/mcp", token: "hidden-token" }],
    });
    await claude.log(id);
    const record = readFileSync(join(claude.daemon.dataDir, "sessions", id, "session.json"), "utf8");
    expect(record).not.toContain("hidden");
    expect(JSON.parse(record)).toMatchObject({ spec: { instructions: "be brief" } });
    const log = await claude.daemon.get(`/sessions/${id}/log`);
    expect(log.text).not.toContain("hidden-token");
  });

  it.each<[string, object, number, string]>([
    [
      "a hook beside a person",
      { claude: { settings_json: { hooks: {} } }, permission_mode: "interactive" },
      403,
      "executable_forbidden",
    ],
    ["a stdio server beside a person", { ...stdio, permission_mode: "interactive" }, 403, "executable_forbidden"],
    [
      "another address for keys",
      { claude: { settings_json: { env: { ANTHROPIC_BASE_URL: "http://x" } } } },
      400,
      "invalid_request",
    ],
    [
      "a websocket server",
      { mcp_servers: [{ name: "lab", type: "websocket", url: "ws://x" }] },
      400,
      "invalid_request",
    ],
    ["two instructions", { instructions: "a", claude: { claude_md: "b" } }, 400, "invalid_request"],
    ["a budget of nothing", { max_budget_usd: 0 }, 400, "invalid_request"],
    ["another output format", { claude: { output_format: "text" } }, 400, "unsupported_by_agent"],
  ])("refuses %s", async (_, more, status, error) => {
    const answer = await ask(more);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
  });
});

it("a session with programs of its request is not handed to a person without permission", async () => {
  const id = await claude.create({ ...stdio, interactive: true, prompt: "hi" });
  await claude.log(id, hasResults(1));
  const refused = await claude.daemon.patch(`/sessions/${id}`, { permission_mode: "interactive" });
  expect([refused.status, refused.body.error]).toEqual([403, "executable_forbidden"]);
  expect((await claude.daemon.get(`/sessions/${id}`)).body.permission_mode).toBe("autonomous");
  await claude.daemon.delete(`/sessions/${id}`);
});
