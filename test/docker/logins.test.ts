/** Logins of persons in containers: a session gets the token that it needs, and nothing to get another one with. */
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { hasResults, results } from "../support/claude-daemon.ts";
import { codexModel } from "../support/codex-daemon.ts";
import { agentdContainers, type DockerWorld, placesInContainer, startDockerWorld } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { claudeLogin, codexLogin, startTokenEndpoint, type TokenEndpoint } from "../support/token-endpoint.ts";

const [messages, responses] = ["api.anthropic.test", "api.openai.test"];
const deadlineMs = 150_000;

let world: DockerWorld;
let folder: TempDir;
let daemon: Daemon;
let models: { claude: ScriptedModel; codex: ScriptedResponses };
let endpoints: { claude: TokenEndpoint; codex: TokenEndpoint };

beforeAll(async () => {
  world = await startDockerWorld([messages, responses]);
  folder = await tempDir();
  models = { claude: await startScriptedModel(), codex: await startScriptedResponses() };
  endpoints = { claude: await startTokenEndpoint(), codex: await startTokenEndpoint() };
  await world.serve(messages, models.claude.url);
  await world.serve(responses, models.codex.url);
  const login = (kind: "claude" | "codex") => ({
    login: join(folder.path, `${kind}.json`),
    login_token_url: endpoints[kind].url,
    harness: kind,
  });
  daemon = await startDaemon({
    config: {
      ...world.config,
      runtime: "docker",
      agents: {
        claude: { ...login("claude"), base_url: `https://${messages}` },
        codex: { ...login("codex"), base_url: `https://${responses}` },
        "claude-hidden": { ...login("claude"), command: "claude", base_url: models.claude.url, hide_key: true },
        "codex-hidden": { ...login("codex"), command: "codex", base_url: models.codex.url, hide_key: true },
      },
    },
  });
}, deadlineMs);

afterAll(async () => {
  // What renews logins listens to signals too.
  expect((await daemon?.stop())?.code).toBe(0);
  for (const one of [...Object.values(models ?? {}), ...Object.values(endpoints ?? {})]) await one.close();
  await world?.stop();
  await folder?.remove();
}, deadlineMs);

/** Each test begins with a token that has ended. */
beforeEach(async () => {
  await mkdir(folder.path, { recursive: true });
  const expiresAt = Date.now() - 1000;
  await writeFile(
    join(folder.path, "claude.json"),
    JSON.stringify(claudeLogin({ refresh: endpoints.claude.refreshToken, expiresAt })),
  );
  await writeFile(
    join(folder.path, "codex.json"),
    JSON.stringify(codexLogin({ refresh: endpoints.codex.refreshToken, expiresAt })),
  );
});

describe.each(["claude", "codex"] as const)("%s", (agent) => {
  test(
    "three sessions at once work with one login, renewed once, and hold no refresh token; nothing stays of it",
    async () => {
      const before = endpoints[agent].renewals.length;
      const ids = await Promise.all([1, 2, 3].map(() => create(agent)));
      for (const id of ids) expect(results(await log(id))).toEqual([{ turn: "t1", status: "success" }]);
      expect(endpoints[agent].renewals.length - before).toBe(1);
      expect(tokenOf(agent)).toBe(endpoints[agent].accessToken);

      const id = ids[0] ?? "";
      const [container] = await agentdContainers(id);
      expect((await placesInContainer(container?.Id ?? "", endpoints[agent].accessToken)).length).toBeGreaterThan(0);
      expect(await placesInContainer(container?.Id ?? "", "-of-the-person")).toEqual([]);
      expect(await readFile(join(folder.path, `${agent}.json`), "utf8")).toContain(endpoints[agent].refreshToken);
      for (const one of ids) await daemon.delete(`/sessions/${one}`);
      await eventually(() => !existsSync(join(daemon.dataDir, "sessions", id, "home")), {
        what: "the end of its home",
      });
    },
    deadlineMs,
  );

  test(
    "with hide_key not even the token is in the container",
    async () => {
      const id = await create(`${agent}-hidden`);
      expect(results(await log(id))).toEqual([{ turn: "t1", status: "success" }]);
      expect(tokenOf(agent)).toBe(endpoints[agent].accessToken);
      const [container] = await agentdContainers(id);
      expect((await placesInContainer(container?.Id ?? "", "sk-agentruntime-")).length).toBeGreaterThan(0);
      expect(await placesInContainer(container?.Id ?? "", endpoints[agent].accessToken)).toEqual([]);
      expect(await placesInContainer(container?.Id ?? "", "-of-the-person")).toEqual([]);
      await daemon.delete(`/sessions/${id}`);
    },
    deadlineMs,
  );
});

test("a login that does not hold starts no session, and says what to do; another file than the operator's is refused", async () => {
  await writeFile(join(folder.path, "claude.json"), JSON.stringify(claudeLogin({ refresh: "revoked", expiresAt: 1 })));
  const lost = await daemon.post("/sessions", { agent: "claude", prompt: "hello" });
  expect([lost.status, lost.body.error]).toEqual([500, "launch_failed"]);
  expect(lost.body.message).toContain("Log in with claude again");
  const other = { agent: "claude", prompt: "hello", claude: { credentials_path: "/root/.claude/.credentials.json" } };
  const refused = await daemon.post("/sessions", other);
  expect([refused.status, refused.body.error]).toEqual([403, "not_permitted"]);
  expect(refused.body.message).toContain("agents.claude.login");
});

async function create(agent: string): Promise<string> {
  const isCodex = agent.startsWith("codex");
  const { status, body, text } = await daemon.post("/sessions", {
    agent,
    interactive: true,
    prompt: "hello",
    ...(isCodex ? { model: codexModel } : {}),
    ...(agent === "claude" ? { claude: { credentials_path: join(folder.path, "claude.json") } } : {}),
  });
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  return String(body.session_id);
}

function log(id: string) {
  return readLog(daemon, id, { enough: hasResults(1), deadlineMs });
}

/** What the model's service was shown last. */
function tokenOf(agent: "claude" | "codex"): string {
  return String(models[agent].requests.at(-1)?.headers["authorization"]).replace(/^Bearer /, "");
}
