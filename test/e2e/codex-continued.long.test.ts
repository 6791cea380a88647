/** A conversation that goes on in another session, by resume or as a fork, has that session's options, and not the old ones. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type CodexDaemon, codexModel, startCodexDaemon } from "../support/codex-daemon.ts";
import { startMcpServer } from "../support/mcp-server.ts";

const stdioServer = fileURLToPath(new URL("../fixtures/agents/mcp-stdio.mjs", import.meta.url));
const callWeather = '[[call:mcp__lab__weather {"city":"Rome"}]]';
const schemaOf = (member: string) => ({
  type: "object",
  properties: { [member]: { type: "number" } },
  required: [member],
  additionalProperties: false,
});

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });
let codex: CodexDaemon;
let first: string;
beforeAll(async () => {
  codex = await startCodexDaemon();
  first = await codex.create({
    prompt: "the word is marzipan",
    instructions: "Speak only of marmalade.",
    output_schema: schemaOf("old"),
    mcp_servers: [{ name: "lab", cmd: [process.execPath, stdioServer], env: { GREETING: "stale" } }],
  });
  await codex.log(first);
});
afterAll(() => codex.stop());

const body = () => codex.model.requests.at(-1)?.body;
const sent = () => JSON.stringify(body());

describe.each([
  ["resumed", {}],
  ["forked", { fork: true }],
])("a %s thread", (manner, how) => {
  const goOn = (request: Record<string, unknown>) => codex.create({ resume_session: first, ...how, ...request });

  it("answers in the form of its own session", async () => {
    const output_schema = schemaOf("answer");
    const events = await codex.log(await goOn({ prompt: '[[say:{"answer":4}]]', output_schema }));
    expect(ofType(events, "result")).toMatchObject([{ status: "success", structured_output: { answer: 4 } }]);
    expect(sent()).toContain("marzipan");
    expect(JSON.stringify(body()?.["text"])).toContain('"answer"');
    expect(JSON.stringify(body()?.["text"])).not.toContain('"old"');
  });

  it("answers in plain text without one", async () => {
    const events = await codex.log(await goOn({ prompt: "[[say:four]]" }));
    const [result] = ofType(events, "result");
    expect(result).toMatchObject({ status: "success", text: "four" });
    expect(result).not.toHaveProperty("reason");
    expect(JSON.stringify(body()?.["text"] ?? {})).not.toContain("schema");
  });

  it("calls the tool servers of its own session, over HTTP and over pipes", async () => {
    const server = await startMcpServer({ token: "sesame" });
    try {
      const overHttp = await goOn({
        prompt: callWeather,
        mcp_servers: [{ name: "lab", url: server.url, token: "sesame" }],
      });
      expect(results(await codex.log(overHttp))).toEqual([{ turn: "t1", status: "success" }]);
      expect(server.calls).toEqual(["Rome"]);
    } finally {
      await server.stop();
    }
    const mcp_servers = [{ name: "lab", cmd: [process.execPath, stdioServer], env: { GREETING: "windy" } }];
    const events = await codex.log(await goOn({ prompt: callWeather, mcp_servers }));
    expect(ofType(events, "tool_result")).toMatchObject([{ output: "windy in Rome" }]);
  });

  it("has none of the old session's tool servers", async () => {
    await codex.log(await goOn({ prompt: "[[say:hello]]" }));
    expect(JSON.stringify(body()?.["tools"])).not.toContain("weather");
  });

  it("tells the model the instructions of its own session", async () => {
    await codex.log(await goOn({ prompt: "hello", instructions: `Speak ${manner} of gooseberries.` }));
    expect(sent().split(`Speak ${manner} of gooseberries.`)).toHaveLength(2);
  });

  it("tells them also when the old session had none", async () => {
    const bare = await codex.create({ prompt: "the word is nougat" });
    await codex.log(bare);
    await codex.log(await goOn({ prompt: "hello", instructions: "Speak only of quinces.", resume_session: bare }));
    expect(sent()).toContain("nougat");
    expect(sent().split("Speak only of quinces.")).toHaveLength(2);
  });

  it("asks the model of its own session, and goes on asking it", async () => {
    const id = await goOn({ prompt: "hello", model: "gpt-5.4", interactive: true });
    await codex.log(id, hasResults(1));
    expect(body()?.["model"]).toBe("gpt-5.4");
    await codex.prompt(id, "and again");
    await codex.log(id, hasResults(2));
    expect(body()?.["model"]).toBe("gpt-5.4");
    expect(codexModel).not.toBe("gpt-5.4");
    await codex.daemon.delete(`/sessions/${id}`);
  });
});
