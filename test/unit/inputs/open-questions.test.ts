import { describe, expect, test } from "vitest";
import { findInput, OpenQuestions, readAnswer } from "../../../cmd/open-questions.ts";
import type { InputRequired } from "../../../src/protocol/event.ts";

const input = (request_id: string): InputRequired => ({
  request_id,
  turn_id: "t1",
  kind: "permission",
  message: "Bash",
  options: [],
});
const line = (type: string, data: object) => JSON.stringify({ type, data, timestamp: 1, sidecar_seq: 1, seq: 1 });

test("what was shown before its line came is not shown twice", () => {
  const questions = new OpenQuestions();
  expect(questions.add(input("a"))).toBe(true);
  expect(questions.add(input("a"))).toBe(false);
  expect(questions.note(line("input_required", input("a")))).toBe(false);
  expect(questions.note(line("input_required", input("b")))).toBe(true);
  expect(questions.first?.request_id).toBe("a");
  questions.note(line("input_resolved", { request_id: "a", decision: "deny", by: "client" }));
  expect(questions.first?.request_id).toBe("b");
});

test("a question is named by the beginning of its id", () => {
  const open = [input("abc"), input("abd"), input("x")];
  expect(findInput(open, undefined).request_id).toBe("abc");
  expect(findInput(open, "x").request_id).toBe("x");
  expect(() => findInput(open, "ab")).toThrow(/Several/);
  expect(() => findInput(open, "z")).toThrow(/No open question begins with "z"/);
  expect(() => findInput([], undefined)).toThrow(/No question is open/);
});

describe("answers in a person's words", () => {
  const one: InputRequired = {
    ...input("q"),
    kind: "question",
    questions: [{ id: "q1", text: "Colour?", multiple: false, free_text: true }],
    options: [
      { id: "q1.1", label: "Red", question: "q1" },
      { id: "q1.2", label: "Blue", question: "q1" },
    ],
  };
  const two: InputRequired = {
    ...one,
    questions: [
      { id: "q1", text: "Colour?", multiple: false, free_text: true },
      { id: "q2", text: "Size?", multiple: true, free_text: true },
    ],
    options: [...one.options, { id: "q2.1", label: "S", question: "q2" }, { id: "q2.2", label: "M", question: "q2" }],
  };
  test.each([
    ["a number chooses", one, "2", { q1: ["q1.2"] }],
    ["a number that is none is text", one, "7", { q1: "7" }],
    ["two numbers where one may be chosen are text", one, "1,2", { q1: "1,2" }],
    ["other words are the answer; with a ;", one, "green; maybe", { q1: "green; maybe" }],
    ["several questions in their order", two, "1; 1,2", { q1: ["q1.1"], q2: ["q2.1", "q2.2"] }],
    ["a missing one stays missing", two, "1", { q1: ["q1.1"] }],
  ])("%s", (_title, asked, words, answers) => {
    expect(readAnswer(asked, words)).toEqual({ decision: "approve_once", answers });
  });
});
