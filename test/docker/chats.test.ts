/** A chat and a dispatched task whose sessions are in containers. */
import { chown, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasResults, results } from "../support/claude-daemon.ts";
import { agentdContainers, type DockerWorld, engine, startDockerWorld } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
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
  daemon = await startDaemon({
    config: {
      ...world.config,
      runtime: "docker",
      agents: {
        claude: { key_env: "TEST_MODEL_KEY", base_url: `https://${messages}` },
        codex: { base_url: `https://${responses}` },
      },
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

test(
  "the second message goes on with the conversation of the first, in a container of its own",
  async () => {
    expect((await daemon.post("/chats", { name: "boxed", config: { agent: "claude" } })).status).toBe(201);
    const ids: string[] = [];
    for (const message of ["Remember the word marmalade", "Which word was it?"]) {
      const sent = await daemon.post("/chats/boxed/messages", { message });
      expect(sent.status, sent.text).toBe(202);
      ids.push(sent.body.session_id);
      await eventually(async () => (await daemon.get("/chats/boxed")).body.state === "idle", { deadlineMs });
    }
    const asked = claudeModel.requests.filter(({ text }) => text.includes("Which word was it?")).at(-1);
    expect(JSON.stringify(asked?.body.messages)).toContain("Remember the word marmalade");
    for (const id of ids) expect(results(await readLog(daemon, id))).toEqual([{ turn: "t1", status: "success" }]);
    const { claude_session_ids } = (await daemon.get("/chats/boxed")).body;
    expect(new Set(ids.map((id) => claude_session_ids[id])).size).toBe(1);
    await daemon.delete("/chats/boxed?remove_volume=true");
    expect((await daemon.get(`/sessions/${ids[0]}`)).status).toBe(404);
  },
  deadlineMs,
);

test(
  "the example of the Go daemon's README runs as it is, but for the folder",
  async () => {
    const folder = await tempDir();
    try {
      await chown(folder.path, 1000, 1000);
      const example = await readFile(new URL("../fixtures/dispatch/codex-container.yaml", import.meta.url), "utf8");
      const path = join(folder.path, "task.yaml");
      await writeFile(path, example.replace("/Users/me/Toolkit/agentruntime", folder.path));
      const env = { AGENTD_TOKEN: daemon.token, OPENAI_API_KEY: "key-of-this-test", NO_COLOR: "1" };
      const args = ["dispatch", "--config", path, "--server", daemon.url];
      const child = execa(process.execPath, [agentdPath, ...args], { env, stdin: "ignore", reject: false });
      const [view] = await eventually(
        async () => {
          const { body } = await daemon.get("/sessions?agent=codex&state=running");
          return body.length > 0 && body;
        },
        { deadlineMs },
      );
      const id = String(view.session_id);
      expect(view).toMatchObject({ interactive: true, runtime: "docker", work_dir: folder.path });
      const [container] = await agentdContainers(id);
      const { HostConfig } = await engine.getContainer(container?.Id ?? "").inspect();
      expect([HostConfig.Memory, HostConfig.NanoCpus]).toEqual([4 * 1024 ** 3, 2e9]);
      await daemon.post(`/sessions/${id}/prompt`, { text: "hello" });
      await readLog(daemon, id, { deadlineMs, enough: hasResults(1) });
      const [asked] = codexModel.requests;
      expect(asked?.headers["authorization"]).toBe("Bearer key-of-this-test");
      expect(JSON.stringify(asked?.body)).toContain("You are working inside the agentruntime repository.");
      await daemon.post(`/sessions/${id}/stop`, { mode: "drain" });
      const { exitCode, stdout, stderr } = await child;
      expect([exitCode, stderr]).toEqual([0, expect.stringContaining(`session_id: ${id}`)]);
      expect(JSON.parse(stdout.split("\n").at(-1) ?? "")).toMatchObject({ type: "exit", data: { code: 0 } });
    } finally {
      await folder.remove();
    }
  },
  deadlineMs,
);
