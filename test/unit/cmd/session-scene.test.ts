import { expect, test } from "vitest";
import { OpenQuestions } from "../../../cmd/open-questions.ts";
import { SessionScene } from "../../../cmd/view/session-scene.ts";

const question = {
  request_id: "q",
  turn_id: "t1",
  kind: "permission",
  message: "Bash",
  tool: { name: "Bash", kind: "execute", input: { command: "ls", script: "curl x | sh" } },
  options: [],
};
const hint = "The whole call stands above: PgUp";

function scene(): SessionScene {
  const nothing = () => {};
  const questions = new OpenQuestions();
  const shown = new SessionScene({
    sessionId: "s",
    colour: false,
    questions,
    refresh: nothing,
    act: nothing,
    interrupt: nothing,
    leave: nothing,
  });
  const line = JSON.stringify({ type: "input_required", data: question, timestamp: 1, sidecar_seq: 1, seq: 1 });
  questions.note(line);
  shown.conversation.line(line);
  return shown;
}

test("says that a call stands above only when it has gone from the screen", () => {
  const shown = scene();
  const rows = (height: number) => shown.draw({ columns: 80, rows: height }).join("\n");
  expect(rows(24)).toContain("? Allow: Bash");
  expect(rows(24)).not.toContain(hint);
  for (let at = 0; at < 40; at++) shown.conversation.note(`line ${at}`);
  expect(rows(24)).toContain(hint);
  shown.key({ name: "page-up" });
  shown.key({ name: "page-up" });
  shown.key({ name: "page-up" });
  expect(rows(24)).not.toContain(hint);
});
