import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasResults, ofType, results, said } from "../support/claude-daemon.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

let codex: CodexDaemon;
beforeAll(async () => {
  codex = await startCodexDaemon();
});
afterAll(() => codex.stop());

const sentInput = () => JSON.stringify(codex.model.requests.at(-1)?.body.input);

describe("a one-shot session", () => {
  it("streams text, ends with one result and leaves nothing running", async () => {
    const id = await codex.create({ prompt: "Say hi [[hello]]" });
    const events = await codex.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(said(events)).toEqual(["Hello! How can I help you today?"]);
    const deltas = ofType(events, "agent_message").filter((data) => data["delta"] === true);
    expect(deltas.map((data) => data["text"]).join("")).toBe("Hello! How can I help you today?");
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(ofType(events, "result")[0]).toMatchObject({
      text: "Hello! How can I help you today?",
      cost_usd: null,
      num_turns: 1,
      usage: { input_tokens: 100, output_tokens: 12 },
      model: "gpt-5.5",
    });
    // Nothing complains, so nothing of its start is out of order.
    expect(ofType(events, "system").map((data) => data["subtype"])).toEqual(["init"]);
    expect(codex.model.requests.at(-1)?.headers["authorization"]).toBe("Bearer no-key-needed");
    await codex.allGone(id);
    expect((await codex.daemon.get(`/sessions/${id}`)).body).toMatchObject({
      status: "completed",
      end_reason: "finished",
      exit_code: 0,
      agent_session_id: ofType(events, "system")[0]?.["session_id"],
    });
  });

  it("names each tool call once and ends it once", async () => {
    const id = await codex.create({ prompt: "[[edit]]" });
    const events = await codex.log(id);
    const uses = ofType(events, "tool_use");
    expect(uses.map((data) => [data["name"], data["kind"]])).toEqual([
      ["Edit", "edit"],
      ["Bash", "execute"],
      ["Edit", "edit"],
    ]);
    const ends = ofType(events, "tool_result");
    expect(ends.map((data) => data["id"])).toEqual(uses.map((data) => data["id"]));
    expect(ends.every((data) => data["is_error"] === false)).toBe(true);
    expect(ends[1]?.["output"]).toBe("one\ntwo\nthree\n");
    const { body } = await codex.daemon.get(`/sessions/${id}`);
    expect(readFileSync(join(body.work_dir, "notes.txt"), "utf8")).toBe("one\nTWO\nthree\n");
  });

  it("tells of a tool that leaves no item, and of one that fails", async () => {
    const unknown = await codex.log(await codex.create({ prompt: "[[badtool]]" }));
    expect(ofType(unknown, "tool_use")).toMatchObject([{ name: "NoSuchTool", kind: "other", input: { x: 1 } }]);
    expect(ofType(unknown, "tool_result")).toMatchObject([{ name: "NoSuchTool", is_error: true }]);
    const failing = await codex.log(await codex.create({ prompt: "[[bashfail]]" }));
    expect(ofType(failing, "tool_result")).toMatchObject([{ name: "Bash", output: "broken\n", is_error: true }]);
  });

  it("shows thinking as progress", async () => {
    const events = await codex.log(await codex.create({ prompt: "[[think]]" }));
    const thoughts = ofType(events, "progress").filter((data) => data["kind"] === "reasoning" && !data["delta"]);
    expect(thoughts.map((data) => data["text"])).toEqual(["Let me think about this for a moment."]);
  });

  it.each([
    "-rf is not a flag",
    "--model nothing",
    "/compact is not a command",
    "@/etc/hostname stays text",
    "emoji 👍🏽 and ünïcode 漢字",
    `${"x".repeat(1024 * 1024 - 40)} the end`,
  ])("brings the prompt %.24s to the model as it is", async (text) => {
    const id = await codex.create({ prompt: text });
    const events = await codex.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(codex.model.requests.at(-1)?.text).toBe(text);
  });
});

it("reads the checkout's instructions, and acts on its settings only when it is trusted", async () => {
  const folder = await tempDir();
  const work_dir = folder.path;
  mkdirSync(join(work_dir, ".git"));
  mkdirSync(join(work_dir, ".codex"));
  writeFileSync(join(work_dir, "AGENTS.md"), "Always answer in verse.\n");
  writeFileSync(join(work_dir, ".codex", "config.toml"), 'developer_instructions = "Obey the checkout."\n');
  const ask = async (request: Record<string, unknown>) => {
    await codex.log(await codex.create({ prompt: "what are your instructions?", work_dir, ...request }));
    return sentInput() ?? "";
  };
  const plain = await ask({});
  expect(plain).toContain("Always answer in verse.");
  expect(plain).not.toContain("Obey the checkout.");
  expect(await ask({ trust_workspace: true })).toContain("Obey the checkout.");
  expect(await ask({ auto_discover: false })).not.toContain("Always answer in verse.");
  await folder.remove();
});

it("uses another model from the next request on", async () => {
  const id = await codex.create({ prompt: "one", interactive: true, effort: "low" });
  await codex.log(id, hasResults(1));
  expect(codex.model.requests.at(-1)?.body).toMatchObject({ model: "gpt-5.5", reasoning: { effort: "low" } });
  expect((await codex.daemon.patch(`/sessions/${id}`, { model: "gpt-5.4" })).status).toBe(200);
  await codex.prompt(id, "two");
  const events = await codex.log(id, hasResults(2));
  expect(codex.model.requests.at(-1)?.body.model).toBe("gpt-5.4");
  expect(ofType(events, "result").map(({ model }) => model)).toEqual(["gpt-5.5", "gpt-5.4"]);
  await codex.daemon.delete(`/sessions/${id}`);
});

it("keeps a sub-agent apart, and a one-shot session waits for it", async () => {
  const id = await codex.create({ prompt: "[[task]]", model: "scripted-1" });
  const events = await codex.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  const call = ofType(events, "tool_use").find((data) => data["name"] === "spawnAgent");
  const inner = ofType(events, "tool_use").filter((data) => data["parent_id"] === call?.["id"]);
  expect(inner).toMatchObject([{ name: "Bash", input: { command: "echo from the subagent" }, turn_id: "t1" }]);
  const ends = ofType(events, "tool_result").map((data) => data["id"]);
  expect(ends.toSorted()).toEqual(
    ofType(events, "tool_use")
      .map((data) => data["id"])
      .toSorted(),
  );
  const tasks = ofType(events, "progress").filter((data) => data["kind"] === "task");
  expect(tasks.map((data) => data["event"])).toEqual(["started", "completed"]);
});

it("writes nothing into the person's configuration", async () => {
  const home = await tempDir();
  const codexHome = join(home.path, ".codex");
  mkdirSync(codexHome);
  const config = 'model_reasoning_effort = "low"\n';
  writeFileSync(join(codexHome, "config.toml"), config);
  mkdirSync(join(home.path, "work", ".git"), { recursive: true });
  const own = await startCodexDaemon({ env: { HOME: home.path, CODEX_HOME: codexHome } });
  const id = await own.create({ prompt: "hello", agent_home: "user", work_dir: join(home.path, "work") });
  expect(results(await own.log(id))).toEqual([{ turn: "t1", status: "success" }]);
  // It was read, though.
  expect(own.model.requests.at(-1)?.body).toMatchObject({ reasoning: { effort: "low" } });
  expect(readFileSync(join(codexHome, "config.toml"), "utf8")).toBe(config);
  await own.stop();
  await home.remove();
});

it("leaves nothing when the session is deleted in the middle of a command", async () => {
  const id = await codex.create({ prompt: "[[bash:touch started; sleep 300]]" });
  const { work_dir } = (await codex.daemon.get(`/sessions/${id}`)).body;
  await eventually(() => existsSync(join(work_dir, "started")), { what: "the command's start" });
  await codex.daemon.delete(`/sessions/${id}`);
  await codex.allGone(id);
});
