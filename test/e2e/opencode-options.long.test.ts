import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import { type OpencodeDaemon, startOpencodeDaemon } from "../support/opencode-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

vi.setConfig({ testTimeout: 180_000 });
let opencode: OpencodeDaemon;
let folder: TempDir;
beforeAll(async () => {
  opencode = await startOpencodeDaemon();
  folder = await tempDir();
});
afterAll(async () => {
  await opencode.stop();
  await folder.remove();
});

const sent = () => JSON.stringify(opencode.model.requests.at(-1)?.body);

it("begins with a custom agent of the checkout", async () => {
  mkdirSync(join(folder.path, ".opencode", "agents"), { recursive: true });
  const definition = "---\nname: critic\ndescription: finds fault\n---\nYou find fault with quinces and {env:PATH}.\n";
  writeFileSync(join(folder.path, ".opencode", "agents", "critic.md"), definition);
  const id = await opencode.create({ prompt: "hello", work_dir: folder.path, agent_name: "critic" });
  const events = await opencode.log(id);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  // What the daemon knows is not told to the model because a checkout asks for it.
  expect(sent()).toContain("You find fault with quinces and {env:PATH}.");
});

it("says so when there is no such custom agent", async () => {
  const id = await opencode.create({ prompt: "hello", agent_name: "nobody" });
  const events = await opencode.log(id);
  expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 1, error_category: "invalid_request" } });
  expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
  expect(String(events.at(-1)?.data["error_detail"])).toContain("nobody");
});

it("takes settings in its own form", async () => {
  const config = { permission: { bash: "deny" } };
  const id = await opencode.create({ prompt: "[[bash:echo forbidden fruit]]", opencode: { config } });
  const events = await opencode.log(id);
  expect(JSON.stringify(ofType(events, "tool_result"))).not.toContain("fruit\\n");
});

const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

it("an answer that was to fit a schema comes as structured_output", async () => {
  const id = await opencode.create({ prompt: '[[call:StructuredOutput {"city":"Rome"}]]', output_schema: city });
  const events = await opencode.log(id);
  expect(ofType(events, "result")).toMatchObject([{ status: "success", structured_output: { city: "Rome" } }]);
});

it("an answer that does not fit its schema is an error that says so", async () => {
  const id = await opencode.create({ prompt: "just talk", output_schema: city });
  const events = await opencode.log(id);
  expect(ofType(events, "result")).toMatchObject([{ status: "error", error_category: "invalid_request" }]);
});

it("rules of the request hold after a change of the permission mode", async () => {
  const id = await opencode.create({
    prompt: "hello",
    interactive: true,
    opencode: { config: { permission: { bash: "deny" } } },
  });
  await opencode.log(id, hasResults(1));
  await opencode.daemon.patch(`/sessions/${id}`, { permission_mode: "interactive" });
  await opencode.daemon.patch(`/sessions/${id}`, { permission_mode: "autonomous" });
  await opencode.prompt(id, "[[bash:echo forbidden]]");
  const events = await opencode.log(id, hasResults(2));
  expect(ofType(events, "tool_result").filter(({ is_error }) => is_error === false)).toEqual([]);
  await opencode.daemon.delete(`/sessions/${id}`);
});

it("an agent of the checkout is not read when the session is to be bare of such things", async () => {
  mkdirSync(join(folder.path, ".opencode", "agents"), { recursive: true });
  writeFileSync(join(folder.path, ".opencode", "agents", "quiet.md"), "---\nmode: primary\n---\nBe quiet.\n");
  const id = await opencode.create({
    prompt: "hello",
    work_dir: folder.path,
    agent_name: "quiet",
    auto_discover: false,
  });
  expect((await opencode.log(id)).at(-1)?.data).toMatchObject({ error_category: "invalid_request" });
});
