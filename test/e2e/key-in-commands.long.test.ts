/** Where the model's key is within reach of the commands that an agent runs, when it is not hidden. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { claudeBinary } from "../support/claude-binary.ts";
import { ofType } from "../support/claude-daemon.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

vi.setConfig({ testTimeout: 120_000 });
const key = "the-key-that-is-not-hidden-5c20";
let messages: ScriptedModel;
let responses: ScriptedResponses;
let daemon: Daemon;

beforeAll(async () => {
  messages = await startScriptedModel();
  responses = await startScriptedResponses();
  const shown = { key_env: "OPERATORS_KEY" };
  const agents = {
    claude: { ...shown, command: claudeBinary(), base_url: messages.url },
    codex: { ...shown, command: codexBinary(), base_url: responses.url },
    opencode: { ...shown, command: opencodeBinary(), base_url: messages.url },
  };
  daemon = await startDaemon({ config: { agents }, env: { OPERATORS_KEY: key } });
});

afterAll(async () => {
  await daemon.stop();
  await messages.close();
  await responses.close();
});

/** The names of the variables in which a command of the agent sees the key. */
async function variablesWithKey(agent: string, tool: string): Promise<string[]> {
  const command = `env | grep -aF ${key.slice(4)} | cut -d= -f1 | sed 's/^/holds:/'; echo looked`;
  const input = agent === "codex" ? { cmd: command } : { command, description: "Look" };
  const model = agent === "codex" ? { model: codexModel } : {};
  const prompt = `[[call:${tool} ${JSON.stringify(input)}]]`;
  const { body } = await daemon.post("/sessions", { agent, prompt, ...model });
  const events = await readLog(daemon, String(body.session_id), { deadlineMs: 90_000 });
  const output = JSON.stringify(ofType(events, "tool_result"));
  expect(output).toContain("looked");
  return [...output.matchAll(/holds:(\w+)/g)].map(([, name = ""]) => name).toSorted();
}

test("commands of Claude Code see it", async () => {
  expect(await variablesWithKey("claude", "Bash")).toEqual(["ANTHROPIC_API_KEY"]);
});

test("commands of OpenCode see it, in its configuration", async () => {
  expect(await variablesWithKey("opencode", "bash")).toEqual(["OPENCODE_CONFIG_CONTENT"]);
});

test("commands of Codex do not see it", async () => {
  expect(await variablesWithKey("codex", "exec_command")).toEqual([]);
});
