import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import { type OpencodeDaemon, startOpencodeDaemon } from "../support/opencode-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

vi.setConfig({ testTimeout: 180_000 });
let opencode: OpencodeDaemon;
beforeAll(async () => {
  opencode = await startOpencodeDaemon();
});
afterAll(() => opencode.stop());

const kinds = (kind: string, events: Parameters<typeof ofType>[0]) =>
  ofType(events, "progress").filter((data) => data["kind"] === kind);

it("answers a single prompt and ends, and nothing of it is left", async () => {
  const id = await opencode.create({ prompt: "[[hello]]" });
  const events = await opencode.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  expect(said(events)).toEqual(["Hello! How can I help you today?"]);
  expect(ofType(events, "agent_message").some((data) => data["delta"] === true)).toBe(true);
  expect(ofType(events, "result")[0]).toMatchObject({
    num_turns: 1,
    usage: { input_tokens: 100, output_tokens: 12 },
    cost_usd: expect.any(Number),
    text: "Hello! How can I help you today?",
  });
  expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
  expect((await opencode.daemon.get(`/sessions/${id}`)).body.status).toBe("completed");
  await opencode.allGone(id);
  // What it installs from the network leaves its cache in the home.
  const home = await readdir(join(opencode.daemon.dataDir, "sessions", id, "home"), { recursive: true });
  expect(home).toContain(".agentruntime/config/opencode/package.json");
  expect(home.filter((path) => /_cacache|^\.npm|^\.opencode|node_modules\/./.test(path))).toEqual([]);
});

it("asks the model that was asked for, and calls it for nothing but the turn", async () => {
  const before = opencode.model.requests.length;
  const id = await opencode.create({ prompt: "[[hello]]", model: "anthropic/claude-of-tomorrow" });
  const events = await opencode.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  expect(opencode.model.requests.slice(before).map(({ body }) => body.model)).toEqual(["claude-of-tomorrow"]);
  // A price that nobody knows is no price of nothing.
  expect(ofType(events, "result")[0]).toMatchObject({ cost_usd: null, model: "anthropic/claude-of-tomorrow" });
});

describe("tools", () => {
  it("show as a call, its output and one result", async () => {
    const id = await opencode.create({ prompt: "[[bash:echo hello from the tool; sleep 0.3; echo more]]" });
    const events = await opencode.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    const [use] = ofType(events, "tool_use");
    expect(use).toMatchObject({
      turn_id: "t1",
      name: "bash",
      kind: "execute",
      input: { description: "Run a command" },
    });
    expect(ofType(events, "tool_result")).toMatchObject([
      { id: use?.["id"], name: "bash", is_error: false, output: expect.stringContaining("hello from the tool") },
    ]);
    const grown = kinds("tool_output", events);
    expect(grown.map((data) => data["text"]).join("")).toContain("hello from the tool\nmore");
    expect(ofType(events, "result")[0]).toMatchObject({ num_turns: 2 });
  });

  it("that fail are errors, and unknown ones too", async () => {
    const id = await opencode.create({ prompt: "[[bashfail]]", interactive: true });
    await opencode.log(id, hasResults(1));
    await opencode.prompt(id, "[[badtool]]");
    const events = await opencode.log(id, hasResults(2));
    expect(results(events).map(({ status }) => status)).toEqual(["success", "success"]);
    expect(ofType(events, "tool_result")).toMatchObject([
      { name: "bash", is_error: true, output: expect.stringContaining("broken") },
      { name: "NoSuchTool", is_error: true },
    ]);
    await opencode.daemon.delete(`/sessions/${id}`);
  });
});

it("reads the instructions of a checkout that it does not trust, and not its configuration", async () => {
  const checkout = await tempDir();
  await writeFile(join(checkout.path, "AGENTS.md"), "ALWAYS SAY MOO");
  await writeFile(join(checkout.path, "opencode.json"), JSON.stringify({ permission: { "*": "deny" } }));
  const id = await opencode.create({ prompt: "[[bash:echo allowed]]", work_dir: checkout.path });
  const events = await opencode.log(id);
  await checkout.remove();
  expect(ofType(events, "tool_result")).toMatchObject([
    { is_error: false, output: expect.stringContaining("allowed") },
  ]);
  expect(opencode.model.requests.at(-1)?.system).toContain("ALWAYS SAY MOO");
});

describe("resume", () => {
  it("as a fork goes on with a copy", async () => {
    const id = await opencode.create({ prompt: "remember the number 4712" });
    await opencode.log(id);
    const second = await opencode.create({ prompt: "[[bash:pwd]]", resume_session: id, fork: true });
    const events = await opencode.log(second);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(JSON.stringify(opencode.model.requests.at(-1)?.body.messages)).toContain("4712");
    const copied = (await opencode.daemon.get(`/sessions/${second}`)).body;
    expect(copied.agent_session_id).not.toBe((await opencode.daemon.get(`/sessions/${id}`)).body.agent_session_id);
    expect(ofType(events, "tool_result")).toMatchObject([{ output: expect.stringContaining(copied.work_dir) }]);
  });
});
