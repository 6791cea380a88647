import { chown, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import {
  agentdContainers,
  agentdNetworks,
  type DockerWorld,
  engine,
  startDockerWorld,
} from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const messages = "api.anthropic.test";
const responses = "api.openai.test";
const deadlineMs = 120_000;

let world: DockerWorld;
let daemon: Daemon;
let claudeModel: ScriptedModel;
let codexModel: ScriptedResponses;

beforeAll(async () => {
  world = await startDockerWorld([messages, responses]);
  claudeModel = await startScriptedModel();
  codexModel = await startScriptedResponses();
  await world.serve(messages, claudeModel.url);
  await world.serve(responses, codexModel.url);
  const agent = (host: string) => ({ key_env: "TEST_MODEL_KEY", base_url: `https://${host}` });
  daemon = await startDaemon({
    config: {
      ...world.config,
      runtime: "docker",
      agents: { claude: agent(messages), codex: agent(responses), opencode: agent(messages) },
    },
    env: { TEST_MODEL_KEY: "no-key-needed" },
  });
}, deadlineMs);

afterAll(async () => {
  await daemon?.stop();
  await claudeModel?.close();
  await codexModel?.close();
  await world?.stop();
}, deadlineMs);

const agents = [
  { agent: "claude", work: "[[bash:echo made > made.txt; id -u]]" },
  { agent: "codex", model: "gpt-5.5", work: "[[bash:echo made > made.txt; id -u]]" },
  { agent: "opencode", work: "[[bash:echo made > made.txt; id -u]]" },
];

test.each(agents)(
  "$agent works in a container: its model answers through the proxy, and its files belong to the owner of the work dir",
  async ({ agent, model, work }) => {
    const folder = await tempDir();
    try {
      await chown(folder.path, 1234, 1234);
      const created = await daemon.post("/sessions", {
        agent,
        interactive: true,
        prompt: work,
        work_dir: folder.path,
        ...(model ? { model } : {}),
      });
      expect(created.status, created.text).toBe(201);
      const id = String(created.body.session_id);
      const events = await readLog(daemon, id, { deadlineMs, enough: hasResults(1) });
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      expect(said(events).length).toBeGreaterThan(0);
      expect(String(ofType(events, "tool_result")[0]?.["output"])).toContain("1234");
      expect(await readFile(join(folder.path, "made.txt"), "utf8")).toBe("made\n");
      expect(await agentdContainers(id)).toHaveLength(1);
      expect((await daemon.post(`/sessions/${id}/stop`, {})).status).toBe(202);
      const whole = await readLog(daemon, id, { deadlineMs });
      expect(whole.at(-1)?.type).toBe("exit");
      await eventually(async () => (await agentdContainers(id)).length === 0, { what: "the end of its container" });
    } finally {
      await folder.remove();
    }
  },
  deadlineMs,
);

test(
  "a key is neither in the container's settings nor in its command line",
  async () => {
    const created = await daemon.post("/sessions", {
      agent: "claude",
      interactive: true,
      env: { ANTHROPIC_API_KEY: "sk-a-secret-of-this-test" },
    });
    const id = String(created.body.session_id);
    const [container] = await agentdContainers(id);
    const inspected = JSON.stringify(await engine.getContainer(container?.Id ?? "").inspect());
    expect(inspected).not.toContain("sk-a-secret-of-this-test");
    await daemon.post(`/sessions/${id}/stop`, {});
    await readLog(daemon, id, { deadlineMs });
  },
  deadlineMs,
);

test("nothing is left of sessions that are over but what is ready for the next, and that goes by gc", async () => {
  await eventually(async () => (await daemon.post("/gc", { dry_run: true })).body.leftovers.length === 0, {
    what: "the end of what was the sessions'",
  });
  expect((await daemon.cli("gc")).exitCode).toBe(0);
  expect(await agentdNetworks()).toEqual([]);
});
