/** What agents are given in confidence is in nothing that their sessions tell: log, raw lines, blobs, errors. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claudeBinary } from "../support/claude-binary.ts";
import { results } from "../support/claude-daemon.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const key = "sk-test-of-the-operator-93f1Qd";
const tells = fileURLToPath(new URL("../fixtures/agents/tells-secrets.mjs", import.meta.url));
const deadlineMs = 90_000;
let messages: ScriptedModel;
let responses: ScriptedResponses;
let daemon: Daemon;

beforeAll(async () => {
  messages = await startScriptedModel();
  responses = await startScriptedResponses();
  const plain = { command: process.execPath, args: [tells], key_env: "OPERATORS_KEY" };
  const agents = {
    tells: { ...plain, env: { SERVICE_TOKEN: "token-of-the-configuration" }, redact: ["employee-\\d{6}"] },
    claude: { command: claudeBinary(), base_url: messages.url, key_env: "OPERATORS_KEY" },
    codex: { command: codexBinary(), base_url: responses.url, key_env: "OPERATORS_KEY" },
    opencode: { command: opencodeBinary(), base_url: messages.url, key_env: "OPERATORS_KEY" },
  };
  daemon = await startDaemon({
    config: { agents, redact: ["internal-host-\\w+"], limits: { line_bytes: 1_000_000 } },
    args: ["--redact", "secret word"],
    env: { OPERATORS_KEY: key },
  });
});

afterAll(async () => {
  await daemon.stop();
  await messages.close();
  await responses.close();
});

describe("a plain command", () => {
  test("is not told with its key, a token of the configuration, secrets of the request, nor with what patterns match", async () => {
    const secrets = {
      MY_PASSWORD: "hunter22-hunter22",
      GREETING: "called secret by the request",
      URL: "http://me:pass4word@host/",
    };
    const { body } = await daemon.post("/sessions", {
      agent: "tells",
      keep_raw: true,
      prompt:
        "env OPERATORS_KEY SERVICE_TOKEN MY_PASSWORD GREETING URL PLAIN\nsay employee-123456 internal-host-x7 and a secret word",
      env: { ...secrets, PLAIN: "nothing to hide here" },
      secret_env: ["GREETING"],
    });
    const events = await readLog(daemon, body.session_id);
    const lines = events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"]);
    expect(lines).toEqual([
      "OPERATORS_KEY=[redacted]",
      "SERVICE_TOKEN=[redacted]",
      "MY_PASSWORD=[redacted]",
      "GREETING=[redacted]",
      "URL=http://me:[redacted]@host/",
      "PLAIN=nothing to hide here",
      "[redacted] [redacted] and a [redacted]",
    ]);
    expect(await holding(body.session_id, [key, "token-of-the-configuration", ...Object.values(secrets)])).toEqual([]);
    const raw = await readFile(join(sessionDir(body.session_id), "raw.ndjson"), "utf8");
    expect(raw).toContain("MY_PASSWORD=[redacted]\n");
  });

  test.each(["pipe", "base64", "json", "blob", "stderr"])("nor when it comes as %s", async (way) => {
    const { body } = await daemon.post("/sessions", { agent: "tells", keep_raw: true, prompt: `${way} OPERATORS_KEY` });
    const events = await readLog(daemon, body.session_id);
    const told = JSON.stringify(events);
    if (way === "blob") {
      const blob = await daemon.get(`/sessions/${body.session_id}/blobs/1.bin`);
      expect(blob.text).toMatch(/^x+\[redacted\]y+$/);
    } else expect(told).toContain("[redacted]");
    if (way === "stderr") expect(events.at(-1)?.data["error_detail"]).toMatch(/cannot log in with \[redacted\]$/);
    expect(await holding(body.session_id, [key, Buffer.from(key).toString("base64").slice(0, -4)])).toEqual([]);
    const { body: info } = await daemon.get(`/sessions/${body.session_id}/info`);
    expect(JSON.stringify(info)).not.toContain(key);
  });

  test("a name that env does not have cannot be kept secret", async () => {
    const { status, body } = await daemon.post("/sessions", { agent: "tells", prompt: "x", secret_env: ["NOBODY"] });
    expect(status).toBe(400);
    expect(body.message).toContain('"NOBODY"');
  });
});

describe.each(["claude", "codex", "opencode"])("%s", (agent) => {
  test("works, and no tool tells its key", { timeout: 120_000 }, async () => {
    // Codex keeps it from its commands: they look at what Codex itself was given.
    const command = "env; tr '\\0' '\\n' </proc/$PPID/environ; echo done";
    const id = await create({ agent, keep_raw: true, prompt: `[[bash:${command}]]` });
    const events = await readLog(daemon, id, { enough: (seen) => results(seen).length >= 1, deadlineMs });
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(JSON.stringify(events.filter(({ type }) => type === "tool_result"))).toContain("[redacted]");
    const seen = agent === "codex" ? responses.requests : messages.requests;
    expect(JSON.stringify(seen.at(-1)?.headers)).toContain(key);
    expect(await holding(id, [key])).toEqual([]);
    await daemon.delete(`/sessions/${id}`);
  });
});

test("claude: a key that the model writes in pieces of two characters is in no piece and no line", {
  timeout: 120_000,
}, async () => {
  const id = await create({ agent: "claude", keep_raw: true, prompt: `[[spell:It is ${key}, and now you know.]]` });
  const events = await readLog(daemon, id, { enough: (seen) => results(seen).length >= 1, deadlineMs });
  const texts = events.filter(({ type }) => type === "agent_message").map(({ data }) => data);
  const deltas = texts.filter(({ delta }) => delta === true).map(({ text }) => text);
  expect(deltas.length).toBeGreaterThan(10);
  // Up to three characters are out before it is known for a key.
  expect(deltas.join("")).toMatch(/^It is .{0,3}\[redacted\], and now you know\.$/);
  expect(texts.at(-1)?.["text"]).toBe("It is [redacted], and now you know.");
  const pieces = (await readFile(join(sessionDir(id), "raw.ndjson"), "utf8")).matchAll(/"text_delta","text":"(.*?)"/g);
  expect([...pieces].map(([, piece]) => piece).join("")).not.toContain(key.slice(0, 8));
  await daemon.delete(`/sessions/${id}`);
});

async function create(request: Record<string, unknown>): Promise<string> {
  const model = request["agent"] === "codex" ? { model: codexModel } : {};
  const { status, body, text } = await daemon.post("/sessions", { interactive: true, ...model, ...request });
  if (status !== 201) throw new Error(`no session: ${status} ${text}`);
  return String(body.session_id);
}

function sessionDir(id: string): string {
  return join(daemon.dataDir, "sessions", id);
}

/** Which files beside the agent's own hold one of these, and on which lines. */
async function holding(id: string, secrets: readonly string[]): Promise<string[]> {
  const folder = sessionDir(id);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const found: string[] = [];
  for (const file of files) {
    // The agent's home is where it keeps what it knows.
    if (file.startsWith(join(folder, "home"))) continue;
    // A spool goes with its sidecar.
    const text = await readFile(file, "latin1").catch(() => "");
    for (const line of text.split("\n"))
      if (!line.startsWith('{"type":"user_message"') && secrets.some((secret) => line.includes(secret)))
        found.push(`${file}: ${line.slice(0, 300)}`);
  }
  return found;
}
