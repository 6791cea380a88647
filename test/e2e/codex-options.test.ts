import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { startMcpServer } from "../support/mcp-server.ts";

const stdioServer = fileURLToPath(new URL("../fixtures/agents/mcp-stdio.mjs", import.meta.url));
const callWeather = '[[call:mcp__lab__weather {"city":"Rome"}]]';

let codex: CodexDaemon;
beforeAll(async () => {
  codex = await startCodexDaemon();
});
afterAll(() => codex.stop());

const sent = () => JSON.stringify(codex.model.requests.at(-1)?.body);

it("calls a tool of an MCP server over HTTP, with its token", async () => {
  const server = await startMcpServer({ token: "sesame" });
  try {
    const id = await codex.create({
      prompt: callWeather,
      mcp_servers: [{ name: "lab", url: server.url, token: "sesame" }],
    });
    const events = await codex.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(ofType(events, "tool_use")).toMatchObject([{ name: "weather", server: "lab", input: { city: "Rome" } }]);
    expect(ofType(events, "tool_result")).toMatchObject([{ output: "mild in Rome", is_error: false }]);
    expect(server.calls).toEqual(["Rome"]);
    expect(JSON.stringify(events)).not.toContain("sesame");
  } finally {
    await server.stop();
  }
});

it("runs an MCP server of its own, with its environment, and it is gone with the session", async () => {
  const id = await codex.create({
    prompt: callWeather,
    mcp_servers: [{ name: "lab", cmd: [process.execPath, stdioServer], env: { GREETING: "windy" } }],
  });
  const events = await codex.log(id);
  expect(ofType(events, "tool_result")).toMatchObject([{ output: "windy in Rome" }]);
  await codex.allGone(id);
});

it("asks a person before it calls one", async () => {
  const server = await startMcpServer();
  try {
    const id = await codex.create({
      prompt: callWeather,
      interactive: true,
      permission_mode: "interactive",
      mcp_servers: [{ name: "lab", url: server.url }],
    });
    const input = await eventually(async () => (await codex.daemon.get(`/sessions/${id}`)).body.inputs[0]);
    expect(input).toMatchObject({ kind: "permission", tool: { name: "weather", server: "lab" } });
    await codex.daemon.put(`/sessions/${id}/inputs/${input.request_id}`, { decision: "deny" });
    await codex.log(id, hasResults(1));
    expect(server.calls).toEqual([]);
    await codex.daemon.delete(`/sessions/${id}`);
  } finally {
    await server.stop();
  }
});

it("says which MCP server does not start, and works on without it", async () => {
  const id = await codex.create({
    prompt: "hello",
    interactive: true,
    mcp_servers: [{ name: "gone", cmd: ["/nowhere/server"] }],
  });
  const isTold = (data: Record<string, unknown>) => data["subtype"] === "mcp_server_failed";
  const events = await codex.log(id, (all) => hasResults(1)(all) && ofType(all, "system").some(isTold));
  expect(ofType(events, "system").find(isTold)).toMatchObject({ server: "gone" });
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  await codex.daemon.delete(`/sessions/${id}`);
});

it("tells the model its instructions", async () => {
  const id = await codex.create({ prompt: "hello", instructions: "Speak only of marmalade." });
  await codex.log(id);
  expect(sent()).toContain("Speak only of marmalade.");
});

it("shows the model the images of a prompt", async () => {
  const data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
  const id = await codex.create({ prompt: "what is this", images: [{ media_type: "image/png", data }] });
  await codex.log(id);
  expect(sent()).toContain(data.slice(0, 40));
});

it("gives its answer in the form that was asked for", async () => {
  const output_schema = {
    type: "object",
    properties: { answer: { type: "number" } },
    required: ["answer"],
    additionalProperties: false,
  };
  const id = await codex.create({ prompt: '[[say:{"answer":4}]]', output_schema });
  const events = await codex.log(id);
  expect(ofType(events, "result")).toMatchObject([{ status: "success", structured_output: { answer: 4 } }]);
  expect(sent()).toContain('"additionalProperties":false');
});

it("says so when the answer is not in the form that was asked for", async () => {
  const id = await codex.create({ prompt: "[[say:four]]", output_schema: { type: "object" } });
  const [result] = ofType(await codex.log(id), "result");
  expect(result).toMatchObject({ status: "success", text: "four", reason: "the answer is no JSON" });
  expect(result).not.toHaveProperty("structured_output");
});

it("takes settings in its own form", async () => {
  const id = await codex.create({ prompt: "hello", codex: { config_toml: { model_verbosity: "low" } } });
  const events = await codex.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  expect(sent()).toContain('"verbosity":"low"');
});
