import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { hasResults, ofType, results } from "../support/claude-daemon.ts";
import type { LoggedEvent } from "../support/client-socket.ts";
import { type CodexDaemon, startCodexDaemon } from "../support/codex-daemon.ts";

let codex: CodexDaemon;
beforeAll(async () => {
  codex = await startCodexDaemon();
});
afterAll(() => codex.stop());

const hasQuestions = (count: number) => (events: readonly LoggedEvent[]) =>
  ofType(events, "input_required").length >= count;

async function ask(prompt: string): Promise<{ id: string; workDir: string; question: Record<string, unknown> }> {
  const id = await codex.create({ prompt, interactive: true, permission_mode: "interactive" });
  const events = await codex.log(id, hasQuestions(1));
  const { work_dir } = (await codex.daemon.get(`/sessions/${id}`)).body;
  return { id, workDir: work_dir, question: ofType(events, "input_required")[0] ?? {} };
}

async function answer(id: string, question: Record<string, unknown>, body: Record<string, unknown>): Promise<void> {
  const sent = await codex.daemon.put(`/sessions/${id}/inputs/${question["request_id"]}`, body);
  expect(sent.status).toBe(200);
}

it("runs a command when it is approved, and not before", async () => {
  const { id, workDir, question } = await ask("[[bash:touch approved.txt]]");
  expect(question).toMatchObject({
    turn_id: "t1",
    kind: "permission",
    tool: { name: "Bash", kind: "execute", input: { command: "touch approved.txt" } },
  });
  expect(existsSync(join(workDir, "approved.txt"))).toBe(false);
  expect((await codex.daemon.get(`/sessions/${id}`)).body.activity).toBe("awaiting_input");
  await answer(id, question, { decision: "approve_once" });
  const events = await codex.log(id, hasResults(1));
  expect(existsSync(join(workDir, "approved.txt"))).toBe(true);
  expect(ofType(events, "input_resolved")).toMatchObject([{ decision: "approve_once" }]);
  expect(ofType(events, "tool_result")).toMatchObject([{ is_error: false }]);
  expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
  await codex.daemon.delete(`/sessions/${id}`);
});

it("does not run a command that is denied, and tells the model why", async () => {
  const { id, workDir, question } = await ask("[[bash:touch denied.txt]]");
  await answer(id, question, { decision: "deny", message: "[[say:then I will not]]" });
  const events = await codex.log(id, hasResults(1));
  expect(existsSync(join(workDir, "denied.txt"))).toBe(false);
  expect(ofType(events, "tool_result")).toMatchObject([{ is_error: true }]);
  expect(ofType(events, "result")).toMatchObject([{ status: "success", text: "then I will not" }]);
  await codex.daemon.delete(`/sessions/${id}`);
});

it("does not ask again for what was approved for the session, and asks for anything else", async () => {
  const { id, question } = await ask("[[bash:touch same.txt]]");
  await answer(id, question, { decision: "approve_session" });
  await codex.log(id, hasResults(1));
  await codex.prompt(id, "[[bash:touch same.txt]]");
  expect(ofType(await codex.log(id, hasResults(2)), "input_required")).toHaveLength(1);
  await codex.prompt(id, "[[bash:touch other.txt]]");
  await codex.log(id, hasQuestions(2));
  await codex.tell(id, "interrupt");
  const events = await codex.log(id, hasResults(3));
  expect(results(events).at(-1)).toEqual({ turn: "t3", status: "interrupted" });
  expect(ofType(events, "input_resolved")).toHaveLength(2);
  await codex.daemon.delete(`/sessions/${id}`);
});

it("asks before a patch, with the change", async () => {
  const { id, workDir, question } = await ask("[[edit]]");
  expect(question).toMatchObject({ kind: "permission", tool: { name: "Edit", kind: "edit" } });
  expect(JSON.stringify(question["tool"])).toContain("one\\ntwo\\nthree");
  expect(existsSync(join(workDir, "notes.txt"))).toBe(false);
  await answer(id, question, { decision: "approve_once" });
  await codex.log(id, hasQuestions(2));
  expect(existsSync(join(workDir, "notes.txt"))).toBe(true);
  await codex.daemon.delete(`/sessions/${id}`);
});

it("asks from the next turn on when the mode of a live session is changed", async () => {
  const id = await codex.create({ prompt: "[[bash:touch free.txt]]", interactive: true });
  expect(ofType(await codex.log(id, hasResults(1)), "input_required")).toEqual([]);
  const { workDir } = await changeMode(id);
  await codex.prompt(id, "[[bash:touch asked.txt]]");
  const events = await codex.log(id, hasQuestions(1));
  expect(ofType(events, "input_required")).toMatchObject([{ turn_id: "t2" }]);
  expect(existsSync(join(workDir, "asked.txt"))).toBe(false);
  await codex.daemon.delete(`/sessions/${id}`);
});

async function changeMode(id: string): Promise<{ workDir: string }> {
  expect((await codex.daemon.patch(`/sessions/${id}`, { permission_mode: "interactive" })).status).toBe(200);
  return { workDir: (await codex.daemon.get(`/sessions/${id}`)).body.work_dir };
}
