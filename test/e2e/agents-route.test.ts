import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { capabilities } from "../../src/protocol/capabilities.ts";
import type { AgentView } from "../../src/protocol/http.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

let daemon: Daemon;
let dir: Awaited<ReturnType<typeof tempDir>>;
beforeAll(async () => {
  dir = await tempDir();
  daemon = await startDaemon({
    config: { agents: { here: { command: process.execPath }, gone: { command: "/no/such/program", harness: "acp" } } },
  });
});
afterAll(async () => {
  await daemon.stop();
  await dir.remove();
});

const agentsOf = async (query = "") => {
  const { body } = await daemon.get(`/agents${query}`);
  return (name: string) => (body as AgentView[]).find((agent) => agent.name === name);
};

it("tells of each agent whether its program is there and what it can do", async () => {
  const agent = await agentsOf();
  expect(agent("here")).toEqual({
    name: "here",
    harness: "generic",
    program: process.execPath,
    program_source: "configuration",
    is_found: true,
    capabilities: capabilities.generic,
    custom_agents: [],
  });
  expect(agent("gone")).toMatchObject({ harness: "acp", program: null, is_found: false });
});

it("lists what a checkout adds, and follows no link out of it", async () => {
  const workDir = join(dir.path, "project");
  const claudeAgents = join(workDir, ".claude", "agents");
  mkdirSync(claudeAgents, { recursive: true });
  mkdirSync(join(workDir, ".opencode"), { recursive: true });
  mkdirSync(join(dir.path, "elsewhere"));
  writeFileSync(join(dir.path, "elsewhere", "secret.md"), "---\nname: secret\n---\n");
  symlinkSync(join(dir.path, "elsewhere"), join(workDir, ".opencode", "agents"));
  symlinkSync(join(dir.path, "elsewhere", "secret.md"), join(claudeAgents, "linked.md"));
  writeFileSync(join(claudeAgents, "a.md"), "---\nname: reviewer\ndescription: Reads diffs\n---\nBe strict.\n");
  writeFileSync(join(claudeAgents, "b.md"), "No head at all.\n");
  writeFileSync(join(claudeAgents, "big.md"), "x".repeat(256 * 1024 + 1));
  writeFileSync(join(claudeAgents, "notes.txt"), "not one\n");
  const agent = await agentsOf(`?work_dir=${encodeURIComponent(workDir)}`);
  expect(agent("claude")?.custom_agents).toEqual([
    { name: "reviewer", description: "Reads diffs", source: ".claude/agents/a.md" },
    { name: "b", source: ".claude/agents/b.md" },
  ]);
  expect(agent("opencode")?.custom_agents).toEqual([]);
});

it("looks into no folder that could not be a work dir", async () => {
  expect(await daemon.get("/agents?work_dir=/etc")).toMatchObject({ status: 400, body: { error: "invalid_work_dir" } });
  expect(await daemon.get("/agents?dir=/etc")).toMatchObject({ status: 400, body: { error: "invalid_request" } });
  expect(await daemon.get("/agents", { headers: { authorization: "" } })).toMatchObject({ status: 401 });
});

it("agentd agents prints them", async () => {
  const { stdout, exitCode } = await daemon.cli("agents");
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^AGENT +HARNESS +FROM +PROGRAM\n/);
  expect(stdout).toMatch(/^gone +acp +- +not found$/m);
  const json = await daemon.cli("agents", "list", "--json", "--work-dir", dir.path);
  expect(JSON.parse((await daemon.cli("--json", "agents")).stdout)).toHaveLength(5);
  expect((await daemon.cli("agents", "nonsense")).exitCode).toBe(2);
  expect(JSON.parse(json.stdout)).toContainEqual(expect.objectContaining({ name: "here", is_found: true }));
});
