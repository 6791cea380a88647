import { afterAll, beforeAll, expect, it } from "vitest";
import { ofType, results } from "../support/claude-daemon.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";

let codex: CodexDaemon;
beforeAll(async () => {
  codex = await startCodexDaemon();
});
afterAll(() => codex.stop());

const sent = () => JSON.stringify(codex.model.requests.at(-1)?.body);

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
