/** Nobody hears of a session but its model: what the daemon and the real agents ask for goes through a proxy that writes it down. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claudeBinary } from "../support/claude-binary.ts";
import { results } from "../support/claude-daemon.ts";
import { codexBinary, codexModel } from "../support/codex-daemon.ts";
import { opencodeBinary } from "../support/opencode-daemon.ts";
import { readLog } from "../support/read-log.ts";
import { type ScriptedModel, startScriptedModel } from "../support/scripted-model.ts";
import { type ScriptedResponses, startScriptedResponses } from "../support/scripted-responses.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const asked: string[] = [];
const proxy = createServer((incoming, response) => {
  asked.push(`${incoming.method} ${incoming.url}`);
  response.writeHead(403).end();
});
proxy.on("connect", (incoming, socket) => {
  asked.push(`CONNECT ${incoming.url}`);
  socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
});
let messages: ScriptedModel;
let responses: ScriptedResponses;
let daemon: Daemon;

beforeAll(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${portOf()}`;
  messages = await startScriptedModel();
  responses = await startScriptedResponses();
  const key = { key_env: "OPERATORS_KEY" };
  const agents = {
    claude: { ...key, command: claudeBinary(), base_url: messages.url },
    codex: { ...key, command: codexBinary(), base_url: responses.url },
    opencode: { ...key, command: opencodeBinary(), base_url: messages.url },
    curl: { command: process.execPath, args: ["-e", asksProxy] },
  };
  const proxies = { HTTP_PROXY: url, HTTPS_PROXY: url, http_proxy: url, https_proxy: url };
  const env = {
    ...proxies,
    NO_PROXY: "127.0.0.1,localhost",
    no_proxy: "127.0.0.1,localhost",
    OPERATORS_KEY: "any-key",
  };
  daemon = await startDaemon({ config: { agents }, env });
});

afterAll(async () => {
  await daemon.stop();
  await messages.close();
  await responses.close();
  await new Promise((resolve) => proxy.close(resolve));
});

/** A program that asks the way that it is told to. */
const asksProxy = `
const { hostname, port } = new URL(process.env.HTTPS_PROXY);
require("node:http").request({ hostname, port, method: "CONNECT", path: "telemetry.example:443" }).on("connect", () => process.exit(0)).end();
`;

test("an agent that asks for something else is seen", async () => {
  const { body } = await daemon.post("/sessions", { agent: "curl", prompt: "go" });
  await readLog(daemon, body.session_id);
  expect(asked.splice(0)).toEqual(["CONNECT telemetry.example:443"]);
});

describe.each(["claude", "codex", "opencode"])("%s", (agent) => {
  test("asks nobody but its model, from its start to its end", { timeout: 120_000 }, async () => {
    const model = agent === "codex" ? { model: codexModel } : {};
    const { body } = await daemon.post("/sessions", { agent, interactive: true, prompt: "[[bash:echo hi]]", ...model });
    const id = String(body.session_id);
    const events = await readLog(daemon, id, { enough: (seen) => results(seen).length > 0, deadlineMs: 90_000 });
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    await daemon.delete(`/sessions/${id}`);
    expect(asked).toEqual([]);
  });
});

function portOf(): number {
  return (proxy.address() as AddressInfo).port;
}
