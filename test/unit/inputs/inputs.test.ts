import { describe, expect, test } from "vitest";
import type { InputAnswer } from "../../../src/protocol/command.ts";
import type { InputRequired, InputResolved } from "../../../src/protocol/event.ts";
import { Inputs } from "../../../src/session/inputs.ts";

const question: InputRequired = {
  request_id: "q",
  turn_id: "t1",
  kind: "question",
  message: "?",
  questions: [
    { id: "q1", text: "Which colour?", multiple: false, free_text: true },
    { id: "q2", text: "Which size?", multiple: true, free_text: true },
  ],
  options: [],
};
const permission: InputRequired = {
  request_id: "p",
  turn_id: "t1",
  kind: "permission",
  message: "Bash",
  options: [
    { id: "approve_once", label: "Yes" },
    { id: "deny", label: "No" },
  ],
};

function book(...open: InputRequired[]) {
  const inputs = new Inputs();
  for (const data of open) inputs.note({ type: "input_required", data });
  const sent: InputAnswer[] = [];
  const give = (id: string, answer: InputAnswer, send = async () => {}) =>
    inputs.answer(id, answer, async () => {
      sent.push(answer);
      await send();
    });
  const close = (data: Partial<InputResolved> & Pick<InputResolved, "decision">) =>
    inputs.note({ type: "input_resolved", data: { request_id: "p", by: "client", ...data } });
  return { inputs, sent, give, close };
}

const code = (wanted: string) => expect.objectContaining({ code: wanted });

test("two who answer at once: the first counts, the same again is no second answer, another is refused", async () => {
  const { give, sent } = book(permission);
  const first = give("p", { decision: "approve_once" });
  await expect(give("p", { decision: "deny" })).rejects.toThrow(code("input_answered"));
  await Promise.all([first, give("p", { decision: "approve_once" })]);
  expect(sent).toEqual([{ decision: "approve_once" }]);
});

test("an answer that did not arrive leaves the question open", async () => {
  const { give, inputs } = book(permission);
  const lost = give("p", { decision: "deny" }, async () => {
    throw new Error("the link broke");
  });
  await expect(lost).rejects.toThrow("the link broke");
  expect(inputs.open).toEqual([permission]);
  await give("p", { decision: "approve_once" });
});

test("an answer that came too late is told what was decided", async () => {
  const { give, close } = book(permission);
  const late = give("p", { decision: "approve_once" }, async () => {
    close({ decision: "expired", by: "timeout" });
    throw new Error("no question is open");
  });
  await expect(late).rejects.toThrow(code("input_answered"));
});

describe("a closed question", () => {
  test("knows its answer, however its keys are ordered", async () => {
    const { give, close, sent } = book(permission);
    close({ decision: "approve_once", updated_input: { b: 1, a: { d: 2, c: 3 } } });
    await give("p", { decision: "approve_once", updated_input: { a: { c: 3, d: 2 }, b: 1 } });
    await expect(give("p", { decision: "approve_once" })).rejects.toThrow(code("input_answered"));
    expect(sent).toEqual([]);
  });

  test.each(["expired", "withdrawn", "aborted"] as const)("that is %s takes none", async (decision) => {
    const { give, close } = book(permission);
    close({ decision });
    await expect(give("p", { decision: "deny" })).rejects.toThrow(code("input_answered"));
  });

  test("is unknown when it never was", async () => {
    await expect(book().give("p", { decision: "deny" })).rejects.toThrow(code("input_not_found"));
  });
});

describe("an answer must fit", () => {
  test.each<[string, string, InputAnswer, boolean]>([
    ["a decision that was offered", "p", { decision: "approve_once" }, true],
    ["a decision that was not", "p", { decision: "approve_session" }, false],
    ["a no, always", "q", { decision: "deny" }, true],
    ["all questions", "q", { decision: "approve_once", answers: { q1: "Red", q2: ["S", "M"] } }, true],
    ["by their texts", "q", { decision: "approve_once", answers: { "Which colour?": "Red", q2: "S" } }, true],
    ["one of two questions", "q", { decision: "approve_once", answers: { q1: "Red" } }, false],
    ["empty words", "q", { decision: "approve_once", answers: { q1: " ", q2: [] } }, false],
    ["a message for two questions", "q", { decision: "approve_once", message: "Red" }, false],
  ])("%s", async (_title, id, answer, fits) => {
    const given = book(permission, question).give(id, answer);
    if (fits) await given;
    else await expect(given).rejects.toThrow(code("invalid_request"));
  });
});

test("nothing is open when the agent has ended", () => {
  const { inputs } = book(permission);
  inputs.note({ type: "exit", data: { code: 0 } });
  expect(inputs.open).toEqual([]);
});
