/** `hide_key` in containers: the agents work, and the key is nowhere inside. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import { codexModel } from "../support/codex-daemon.ts";
import { denials } from "../support/docker-shell.ts";
import {
  agentdContainers,
  type DockerWorld,
  engine,
  placesInContainer,
  startDockerWorld,
} from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const key = "the-real-key-of-the-operator-71c4";
const elsewhere = "elsewhere.test";
const deadlineMs = 120_000;

let world: DockerWorld;
let messages: ScriptedModel;
let responses: ScriptedResponses;
let daemon: Daemon;

beforeAll(async () => {
  world = await startDockerWorld([elsewhere]);
  messages = await startScriptedModel();
  responses = await startScriptedResponses();
  const hidden = { key_env: "OPERATORS_KEY", hide_key: true };
  daemon = await startDaemon({
    config: {
      ...world.config,
      runtime: "docker",
      // Addresses of this machine's loopback: no container reaches them but by its keeper.
      agents: {
        claude: { ...hidden, base_url: messages.url },
        codex: { ...hidden, base_url: responses.url },
        opencode: { ...hidden, base_url: messages.url },
      },
    },
    env: { OPERATORS_KEY: key },
  });
}, deadlineMs);

afterAll(async () => {
  await daemon?.stop();
  await messages?.close();
  await responses?.close();
  await world?.stop();
}, deadlineMs);

describe.each(["claude", "codex", "opencode"])("%s", (agent) => {
  test(
    "works in a container in which its key is in no environment, argument, memory or file, nor in the container's settings",
    async () => {
      const id = await create({ agent, prompt: "[[bash:env]]" });
      const events = await log(id, 1);
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);

      const seen = agent === "codex" ? responses.requests : messages.requests;
      expect(keyOf(seen.at(-1)?.headers ?? {})).toBe(key);
      const [container] = await agentdContainers(id);
      const containerId = container?.Id ?? "";
      // What the search finds shows that it reads what it says.
      expect((await placesInContainer(containerId, "sk-agentruntime-")).join()).toMatch(/ environ/);
      expect((await placesInContainer(containerId, "/opt/agentruntime/sidecar.js")).join()).toMatch(/ memory/);
      expect(await placesInContainer(containerId, key)).toEqual([]);
      const inspected = JSON.stringify(await engine.getContainer(container?.Id ?? "").inspect());
      expect(inspected).not.toContain(key);
      expect(JSON.stringify(events)).not.toContain(key);
      const made = await readFile(join(daemon.dataDir, "sessions", id, "model-requests.ndjson"), "utf8");
      expect(JSON.parse(made.split("\n")[0] ?? "")).toMatchObject({ method: "POST", status: 200 });
      await daemon.delete(`/sessions/${id}`);
    },
    deadlineMs,
  );
});

test(
  "answers stream through the keeper, and nothing is on the way out's list",
  async () => {
    const id = await create({ agent: "claude", prompt: "[[slow:2]]" });
    const events = await log(id, 1);
    expect(
      events.filter(({ type, data }) => type === "agent_message" && data["delta"] === true).length,
    ).toBeGreaterThan(5);
    await daemon.post(`/sessions/${id}/prompt`, { text: `[[bash:curl -s -m 5 https://${elsewhere}; echo]]` });
    await log(id, 2);
    const told = (seen: Parameters<typeof denials>[0]) => denials(seen).some(({ host }) => host === elsewhere);
    expect(told(await readLog(daemon, id, { enough: told, deadlineMs }))).toBe(true);
    await daemon.delete(`/sessions/${id}`);
  },
  deadlineMs,
);

test(
  "the keeper's socket cannot be replaced from inside, and a keeper that dies is started again",
  async () => {
    const id = await create({
      agent: "claude",
      prompt: "[[bash:rm -f /run/agentruntime/keeper/s 2>&1; touch /run/agentruntime/keeper/x 2>&1; echo tried]]",
    });
    const events = await log(id, 1);
    const output = String(ofType(events, "tool_result")[0]?.["output"]);
    expect(output).toMatch(/rm: .*Read-only file system[\s\S]*touch: .*Read-only file system[\s\S]*tried/);
    const keeper = keeperPid();
    process.kill(keeper ?? 0, "SIGKILL");
    await eventually(() => ![undefined, keeper].includes(keeperPid()), { what: "a new keeper" });
    await daemon.post(`/sessions/${id}/prompt`, { text: "[[say:still here]]" });
    expect(said(await log(id, 2)).at(-1)).toBe("still here");
    await daemon.delete(`/sessions/${id}`);
    await eventually(() => keeperPid() === undefined, { what: "the end of the keeper" });
  },
  deadlineMs,
);

/** Of the one session that this file has at a time. */
function keeperPid(): number | undefined {
  return allProcesses().find(
    ({ commandLine, workDir }) => commandLine.includes("keeper.js") && workDir.startsWith(process.env["TMPDIR"] ?? ""),
  )?.pid;
}

async function create(request: Record<string, unknown>): Promise<string> {
  const model = request["agent"] === "codex" ? { model: codexModel } : {};
  const { status, body, text } = await daemon.post("/sessions", { interactive: true, ...model, ...request });
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  return String(body.session_id);
}

function log(id: string, turns: number) {
  return readLog(daemon, id, { enough: hasResults(turns), deadlineMs });
}

function keyOf(headers: Readonly<Record<string, string | string[] | undefined>>): string {
  return String(headers["x-api-key"] ?? headers["authorization"]).replace(/^Bearer /, "");
}
