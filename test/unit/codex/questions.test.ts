import { expect, test } from "vitest";
import { Questions, type Request } from "../../../sidecar/codex/questions.ts";

const request = (method: string, params: Record<string, unknown>): Request => ({
  id: 7,
  method,
  params,
  turnId: "t1",
  parentId: undefined,
  call: undefined,
});
const interactive = () => new Questions({ isAsking: () => true });
const autonomous = () => new Questions({ isAsking: () => false });

const userInput = request("item/tool/requestUserInput", {
  itemId: "call_1",
  questions: [
    { id: "colour", question: "Which colour?", isOther: false, options: [{ label: "red", description: "warm" }] },
    { id: "name", question: "What name?", isOther: true, options: null },
  ],
});

test("a question of the agent waits for a person in every mode", () => {
  const asked = autonomous().asked(userInput);
  expect(asked).toMatchObject({
    event: {
      data: {
        request_id: "ask-7",
        kind: "question",
        options: [{ id: "red", label: "red", question: "colour" }],
        questions: [
          { id: "colour", free_text: false },
          { id: "name", free_text: true },
        ],
      },
    },
  });
});

test("answers go back under the ids of their questions, and a denial makes none up", () => {
  const questions = interactive();
  questions.asked(userInput);
  const given = { decision: "approve_once" as const, by: "client", answers: { colour: "red", "What name?": ["Ada"] } };
  expect(JSON.parse(questions.respond("ask-7", given).line)).toEqual({
    id: 7,
    result: { answers: { colour: { answers: ["red"] }, name: { answers: ["Ada"] } } },
  });
  questions.asked(userInput);
  const denied = questions.respond("ask-7", { decision: "deny", by: "client" });
  expect(JSON.parse(denied.line)).toEqual({ id: 7, result: { answers: {} } });
});

test("a form of an MCP server is filled with values of its types, or declined", () => {
  const form = request("mcpServer/elicitation/request", {
    serverName: "lab",
    mode: "form",
    message: "How many?",
    requestedSchema: { properties: { count: { type: "integer" }, sure: { type: "boolean" }, tags: { type: "array" } } },
  });
  const questions = autonomous();
  expect(questions.asked(form)).toMatchObject({ event: { data: { kind: "question", message: "How many?" } } });
  const answers = { count: "3", sure: "true", tags: "one" };
  expect(JSON.parse(questions.respond("ask-7", { decision: "approve_once", by: "client", answers }).line)).toEqual({
    id: 7,
    result: { action: "accept", content: { count: 3, sure: true, tags: ["one"] }, _meta: null },
  });
  questions.asked(form);
  expect(JSON.parse(questions.respond("ask-7", { decision: "deny", by: "client" }).line)).toEqual({
    id: 7,
    result: { action: "decline", content: null, _meta: null },
  });
});

test("an MCP tool is allowed for the session only where its server knows that", () => {
  const ask = (persist: string[]) => {
    const meta = { codex_approval_kind: "mcp_tool_call", tool_name: "add", tool_params: { a: 1 }, persist };
    const params = { serverName: "lab", mode: "form", message: "Allow?", _meta: meta };
    const questions = interactive();
    return { questions, asked: questions.asked(request("mcpServer/elicitation/request", params)) };
  };
  const { questions, asked } = ask(["session"]);
  expect(asked).toMatchObject({ event: { data: { tool: { name: "add", server: "lab", input: { a: 1 } } } } });
  const { line } = questions.respond("ask-7", { decision: "approve_session", by: "client" });
  expect(JSON.parse(line)).toMatchObject({ result: { action: "accept", _meta: { persist: "session" } } });
  const once = ask([]).asked;
  expect(once && "event" in once && once.event.data.options.map(({ id }) => id)).toEqual(["approve_once", "deny"]);
});

test("nobody is asked about tools in autonomous mode", () => {
  const asked = autonomous().asked(request("item/commandExecution/requestApproval", { command: "ls" }));
  expect(asked && "line" in asked && JSON.parse(asked.line)).toEqual({ id: 7, result: { decision: "accept" } });
});

test("requests that we do not know are refused, so that Codex does not wait for ever", () => {
  const asked = interactive().asked(request("attestation/generate", {}));
  expect(asked && "line" in asked && JSON.parse(asked.line)).toMatchObject({ id: 7, error: { code: -32601 } });
});

test("a question is answered once, and not with another input for the tool", () => {
  const questions = interactive();
  questions.asked(request("item/commandExecution/requestApproval", { command: "ls" }));
  const changed = { decision: "approve_once" as const, by: "client", updated_input: { command: "pwd" } };
  expect(() => questions.respond("ask-7", changed)).toThrow("another input");
  questions.respond("ask-7", { decision: "approve_once", by: "client" });
  expect(() => questions.respond("ask-7", { decision: "deny", by: "client" })).toThrow("no question");
});
