import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ofType } from "../support/claude-daemon.ts";
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
