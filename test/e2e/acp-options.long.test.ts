import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AcpDaemon, programNames, startAcpDaemon } from "../support/acp-daemon.ts";
import { ofType, results } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { startMcpServer } from "../support/mcp-server.ts";

const stdioServer = fileURLToPath(new URL("../fixtures/agents/mcp-stdio.mjs", import.meta.url));

/** OpenCode goes through the whole conformance suite. */
const others = programNames.filter((name) => name !== "opencode");
const callWeather = '[[call:mcp__lab__weather {"city":"Rome"}]]';

vi.setConfig({ testTimeout: 120_000 });
let acp: AcpDaemon;
beforeAll(async () => {
  acp = await startAcpDaemon();
});
afterAll(() => acp.stop());

const sent = () => JSON.stringify(acp.model.requests.map(({ body }) => body).slice(-3));

describe.each(others)("%s", (agent) => {
  it("calls a tool of an MCP server over HTTP, with its token", async () => {
    const server = await startMcpServer({ token: "sesame" });
    try {
      const id = await acp.create({
        agent,
        prompt: callWeather,
        mcp_servers: [{ name: "lab", url: server.url, token: "sesame" }],
      });
      const events = await acp.log(id);
      expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
      expect(server.calls).toEqual(["Rome"]);
      expect(ofType(events, "tool_result").map((data) => data["is_error"])).toEqual([false]);
    } finally {
      await server.stop();
    }
  });

  it("runs an MCP server of its own, and it is gone with the session", async () => {
    const mcp_servers = [{ name: "lab", cmd: [process.execPath, stdioServer], env: { GREETING: "windy" } }];
    const id = await acp.create({ agent, prompt: callWeather, mcp_servers, interactive: true });
    const turns = async (count: number) => acp.log(id, (events) => results(events).length === count);
    const said = (events: readonly LoggedEvent[]) => JSON.stringify(ofType(events, "tool_result"));
    let events = await turns(1);
    // An agent may begin its first turns while such a server still starts.
    for (let count = 2; count < 30 && !said(events).includes("windy in Rome"); count++) {
      await acp.prompt(id, callWeather);
      events = await turns(count);
    }
    expect(said(events)).toContain("windy in Rome");
    await acp.daemon.delete(`/sessions/${id}`);
    await acp.allGone(id);
  });

  it("shows the model the images of a prompt, and tells it its instructions", async () => {
    const data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
    const id = await acp.create({
      agent,
      prompt: "what is this",
      images: [{ media_type: "image/png", data }],
      instructions: "Speak only of marmalade.",
    });
    expect(results(await acp.log(id))).toEqual([{ turn: "t1", status: "success" }]);
    expect(sent()).toContain(data);
    expect(sent()).toContain("Speak only of marmalade.");
  });
});

it.each(programNames)("%s says so when an option or a mode is not to be had", async (agent) => {
  const wishes = [{ mode: "no-such-mode" }, { options: { nothing: "x" } }];
  const ends = await Promise.all(
    wishes.map(async (wish) => (await acp.log(await acp.create({ agent, prompt: "hello", acp: wish }))).at(-1)),
  );
  const refusal = { type: "exit", data: { error_category: "invalid_request" } };
  expect(ends).toMatchObject([refusal, refusal]);
});

it("begins in the mode that was asked for", async () => {
  const id = await acp.create({ agent: "claude-acp", prompt: "hello", acp: { mode: "plan" } });
  const events = await acp.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  expect(sent()).toContain("Plan mode is active");
});

it("of two changes keeps the one that the agent took when it refuses the other", async () => {
  const id = await acp.create({ agent: "opencode", prompt: "hello", interactive: true });
  await acp.log(id, (events) => results(events).length === 1);
  const model = "anthropic/claude-opus-4-5";
  const refused = await acp.daemon.patch(`/sessions/${id}`, { model, permission_mode: "interactive" });
  expect([refused.status, refused.body.error]).toEqual([400, "unsupported_by_agent"]);
  const events = await acp.log(id, (all) => ofType(all, "system").some(({ subtype }) => subtype === "changed"));
  const changes = ofType(events, "system").filter(({ subtype }) => subtype === "changed");
  expect(changes).toEqual([{ subtype: "changed", model }]);
  const { body } = await acp.daemon.get(`/sessions/${id}`);
  expect(body).toMatchObject({ model, permission_mode: "autonomous" });
  await acp.daemon.delete(`/sessions/${id}`);
});
