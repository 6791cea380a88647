/** A login of ChatGPT in OpenCode's file: sessions work with its token alone, renewed in one place. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasResults, results } from "../support/claude-daemon.ts";
import { agentdContainers, type DockerWorld, placesInContainer, startDockerWorld } from "../support/docker-world.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { opencodeLogin, startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint.ts";

// Where the program asks with such a login, whatever it is told; here it is a name of the test's own network.
const chatgpt = "chatgpt.com";
const deadlineMs = 180_000;
let world: DockerWorld;
let folder: TempDir;
let daemon: Daemon;
let model: ScriptedResponses;
let endpoint: TokenEndpoint;

beforeAll(async () => {
  world = await startDockerWorld([chatgpt]);
  folder = await tempDir();
  model = await startScriptedResponses();
  endpoint = await startTokenEndpoint();
  await world.serve(chatgpt, model.url);
  const file = join(folder.path, "auth.json");
  const expiresAt = Date.now() - 1000;
  await writeFile(file, JSON.stringify(opencodeLogin({ refresh: endpoint.refreshToken, expiresAt })), { mode: 0o600 });
  const login = { harness: "opencode", command: "opencode", login: file, login_token_url: endpoint.url };
  daemon = await startDaemon({
    config: {
      ...world.config,
      runtime: "docker",
      agents: {
        opencode: { ...login, login_service: "openai" },
        unnamed: login,
        unknown: { ...login, login_service: "xai" },
        unrenewable: { ...login, login_service: "anthropic" },
        elsewhere: { ...login, login_service: "openai", base_url: "https://gateway.test/v1" },
        hidden: { ...login, login_service: "openai", hide_key: true },
      },
    },
  });
}, deadlineMs);

afterAll(async () => {
  expect((await daemon?.stop())?.code).toBe(0);
  await model?.close();
  await endpoint?.close();
  await world?.stop();
  await folder?.remove();
}, deadlineMs);

test(
  "two sessions at once work with it, renewed once, and hold neither its refresh token nor another service's login",
  async () => {
    const create = async () => {
      const asked = { agent: "opencode", interactive: true, prompt: "hello", model: "gpt-5.5" };
      const { status, body, text } = await daemon.post("/sessions", asked);
      if (status !== 201) throw new Error(`no session: ${status} ${text}`);
      return String(body.session_id);
    };
    const ids = await Promise.all([create(), create()]);
    for (const id of ids) {
      const events = await readLog(daemon, id, { enough: hasResults(1), deadlineMs });
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    }
    expect(endpoint.renewals).toHaveLength(1);
    for (const { headers } of model.requests) {
      expect(headers["authorization"]).toBe(`Bearer ${endpoint.accessToken}`);
      expect(headers["chatgpt-account-id"]).toBe("account-1");
    }
    const kept = JSON.parse(await readFile(join(folder.path, "auth.json"), "utf8"));
    expect(kept.openai).toMatchObject({ access: endpoint.accessToken, refresh: endpoint.refreshToken });
    expect(kept.mistral).toEqual({ type: "api", key: "key-of-another-service" });
    const [container] = await agentdContainers(ids[0]);
    expect((await placesInContainer(container?.Id ?? "", endpoint.accessToken)).length).toBeGreaterThan(0);
    for (const secret of ["-of-the-person", "key-of-another-service"])
      expect(await placesInContainer(container?.Id ?? "", secret)).toEqual([]);
    for (const id of ids) await daemon.delete(`/sessions/${id}`);
  },
  deadlineMs,
);

test.each<[string, agent: string, message: RegExp]>([
  ["is not named", "unnamed", /has logins for several services\. Name one in agents\.unnamed\.login_service/],
  ["is not in the file", "unknown", /it holds no login for "xai"/],
  ["cannot be renewed", "unrenewable", /nobody here can renew tokens of "anthropic".*Use a key for it/],
  ["is for another address", "elsewhere", /base_url is set, and with this login OpenCode asks chatgpt\.com/],
  ["is to be hidden", "hidden", /only when it has the token itself\. Set key_env instead of login/],
])("a login that %s is refused, with what to do", async (_, agent, message) => {
  const { body } = await daemon.post("/sessions", { agent, prompt: "hello" });
  expect(body).toMatchObject({ error: "launch_failed", message: expect.stringMatching(message) });
});
