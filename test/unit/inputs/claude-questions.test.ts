import { expect, test } from "vitest";
import { Questions } from "../../../sidecar/claude/questions.ts";
import type { ControlRequest } from "../../../sidecar/claude/raw.ts";
import type { InputAnswer } from "../../../src/protocol/command.ts";

const place = { turnId: "t1", parentId: undefined };
const request = (id: string, tool_name: string, input: unknown): ControlRequest => ({
  type: "control_request",
  request_id: id,
  request: { subtype: "can_use_tool", tool_name, input, tool_use_id: `tool-${id}` },
});

function asking() {
  const questions = new Questions();
  const ask = (id: string, tool: string, input: unknown, isAutonomous = false) =>
    questions.asked(request(id, tool, input), { place, isAutonomous });
  const answer = (id: string, given: InputAnswer) =>
    JSON.parse(questions.respond({ requestId: id, by: "client", ...given }).reply).response;
  return { questions, ask, answer };
}

test.each<[string, [string, object], [string, object], boolean]>([
  [
    "the same command, told otherwise",
    ["Bash", { command: "ls", description: "a" }],
    ["Bash", { command: "ls" }],
    true,
  ],
  ["another command", ["Bash", { command: "ls" }], ["Bash", { command: "ls -l" }], false],
  [
    "the same command outside its sandbox",
    ["Bash", { command: "ls" }],
    ["Bash", { command: "ls", dangerouslyDisableSandbox: true }],
    false,
  ],
  ["other text in the same file", ["Write", { file_path: "/a", content: "1" }], ["Write", { file_path: "/a" }], true],
  ["another file", ["Write", { file_path: "/a" }], ["Write", { file_path: "/b" }], false],
  ["another tool on the same file", ["Write", { file_path: "/a" }], ["Edit", { file_path: "/a" }], false],
  ["a tool of a server, the keys in another order", ["mcp__s__t", { a: 1, b: 2 }], ["mcp__s__t", { b: 2, a: 1 }], true],
  ["a tool of a server, other input", ["mcp__s__t", { a: 1 }], ["mcp__s__t", { a: 2 }], false],
])("approved for the session, then %s", (_title, [tool, input], [nextTool, nextInput], isCovered) => {
  const { ask, answer } = asking();
  ask("1", tool, input);
  answer("1", { decision: "approve_session" });
  const next = ask("2", nextTool, nextInput);
  expect(next.event?.type).toBe(isCovered ? "progress" : "input_required");
  expect(next.reply === undefined).toBe(!isCovered);
});

test("approved once covers nothing more; what was edited is what the rule covers", () => {
  const { ask, answer } = asking();
  ask("1", "Bash", { command: "ls" });
  answer("1", { decision: "approve_once" });
  expect(ask("2", "Bash", { command: "ls" }).event?.type).toBe("input_required");
  const edited = { command: "ls -a" };
  expect(answer("2", { decision: "approve_session", updated_input: edited })).toEqual({
    subtype: "success",
    request_id: "2",
    response: { behavior: "allow", updatedInput: edited },
  });
  expect(ask("3", "Bash", { command: "ls" }).event?.type).toBe("input_required");
  expect(ask("4", "Bash", edited).event?.type).toBe("progress");
});

test("choices go back as labels by the question's text, several in one", () => {
  const { ask, answer } = asking();
  const input = {
    questions: [
      { question: "Colour?", options: [{ label: "Red" }, { label: "Blue" }], multiSelect: true },
      { question: "Name?", options: "broken" },
    ],
  };
  ask("1", "AskUserQuestion", input);
  const answers = { q1: ["q1.2", "Red"], q2: "Ada" };
  expect(answer("1", { decision: "approve_once", answers }).response).toEqual({
    behavior: "allow",
    updatedInput: { ...input, answers: { "Colour?": "Blue, Red", "Name?": "Ada" } },
  });
});

test("where nobody is asked, tools are allowed and a question is declined, not answered", () => {
  const { ask } = asking();
  const reply = (tool: string) => JSON.parse(ask("1", tool, { a: 1 }, true).reply ?? "").response.response;
  expect(reply("Bash")).toEqual({ behavior: "allow", updatedInput: { a: 1 } });
  expect(reply("AskUserQuestion")).toMatchObject({ behavior: "deny" });
});

test("what the agent takes back is withdrawn, with an interrupted turn aborted; and then takes no answer", () => {
  const { questions, ask, answer } = asking();
  ask("1", "Bash", { command: "ls" });
  ask("2", "Bash", { command: "ls" });
  expect(questions.withdrawn("1", () => false)?.data).toMatchObject({ decision: "withdrawn", by: "agent" });
  expect(questions.withdrawn("2", () => true)?.data).toMatchObject({ decision: "aborted", by: "agentd" });
  expect(questions.withdrawn("2", () => true)).toBeUndefined();
  expect(() => answer("1", { decision: "deny" })).toThrow(/no question "1" is open/);
});
