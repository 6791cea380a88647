/** What the torture asks of real agents is seen when it is missing: in logs and conversations that are typed by hand. */
import { expect, test } from "vitest";
import type { LoggedEvent } from "../../support/client-socket.ts";
import { checkPieces } from "../../torture/check-pieces.ts";
import { ModelDiary } from "../../torture/model-diary.ts";

const counts = "[[count:3 0]] [a0.1.1]";
const touches = "[[bash:touch made-7.txt]] [a0.1.2]";
const piece = (text: string) => event("agent_message", { turn_id: "t1", item_id: "i1", text, delta: true });
const whole = (text: string) => event("agent_message", { turn_id: "t1", item_id: "i1", text, delta: false });
const prompt = (turn_id: string, text: string) => event("user_message", { turn_id, kind: "prompt", text });
const result = (turn_id: string, status: string) => event("result", { turn_id, status });
const call = event("tool_use", { turn_id: "t2", input: { command: "bash -lc 'touch made-7.txt'" } });
const all = [
  prompt("t1", counts),
  piece("#1; "),
  piece("#2; #3"),
  piece("; "),
  whole("#1; #2; #3; "),
  result("t1", "success"),
];
const called = [prompt("t2", touches), call, result("t2", "success")];

function event(type: string, data: Record<string, unknown>): LoggedEvent {
  return { type, data, timestamp: 1, sidecar_seq: 1, seq: 1 };
}

/** What the check says of a log. */
function check(events: readonly LoggedEvent[]) {
  const problems: string[] = [];
  const verdict = { numbers: 0, lost: 0, doubled: 0 };
  checkPieces(events, {
    sent: new Set([counts, touches]),
    verdict,
    blame: (what) => problems.push(what),
  });
  return { ...verdict, problems: problems.length };
}

test("a log that has all of it is not blamed", () => {
  expect(check([...all, ...called])).toEqual({ numbers: 4, lost: 0, doubled: 0, problems: 0 });
});

test.each([
  ["a piece is missing in the midst", all.filter((_, i) => i !== 2), { lost: 2, doubled: 0 }],
  ["a piece is there twice", [...all.slice(0, 2), ...all.slice(1)], { lost: 0, doubled: 1 }],
  ["the whole answer ends early", [...all.slice(0, 4), whole("#1; #2; "), ...all.slice(5)], { lost: 1, doubled: 0 }],
  ["a call is there twice", called.toSpliced(1, 0, call), { lost: 0, doubled: 1 }],
] as const)("%s: it is blamed", (_, events, expected) => {
  const { problems, lost, doubled } = check(events);
  expect({ lost, doubled }).toEqual(expected);
  expect(problems).toBeGreaterThan(0);
});

test("what an agent was cut off in need not be whole, and has no hole all the same", () => {
  const cut = [prompt("t1", counts), piece("#1; "), piece("#2; "), result("t1", "aborted")];
  expect(check(cut)).toMatchObject({ lost: 0, doubled: 0, problems: 0 });
  expect(check(cut.toSpliced(1, 1))).toMatchObject({ lost: 1, problems: 1 });
});

test("a prompt that an agent was given twice stands in its conversation twice", () => {
  const diary = new ModelDiary();
  const [one, two, three] = ["go [a0.1.1]", "go [a0.1.11]", "go [a0.1.3]"];
  const user = (content: string) => ({ role: "user", content });
  const answered = { role: "assistant", content: "so" };
  const request = (...messages: { role: string; content: string }[]) => ({ model: "m", messages });
  diary.note(request(user(one)));
  diary.note(request(user(one)));
  expect(diary.heard(one)).toEqual({ times: 1 });
  diary.note(request(user(one), answered, user(one)));
  expect(diary.heard(one)).toEqual({ times: 2 });
  // Two that came together are one message, of which the model answers the first.
  diary.note(request(user(one), answered, user(`${two}\n${three}`)));
  expect([diary.heard(two), diary.heard(three)]).toEqual(Array(2).fill({ times: 1 }));
  expect(diary.heard("go [a0.1.4]")).toEqual({ times: 0 });
});
