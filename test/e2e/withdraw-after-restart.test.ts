import { expect, onTestFinished, test } from "vitest";
import { startCountsDaemon } from "../support/counts-daemon.ts";

test("a prompt that was given to the agent before the daemon died cannot be taken back from the next one, also before its sidecar has answered", async () => {
  const counts = await startCountsDaemon();
  onTestFinished(() => counts.stop());
  const id = await counts.create({ prompt: "steps=1 words=2000 pause=50" });
  await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
  const sidecar = counts.sidecarPid(id);
  process.kill(sidecar, "SIGSTOP");
  let answered: Promise<{ status: number; body: { error?: string } }>;
  let isAnswered = false;
  try {
    await counts.daemon.kill9();
    await counts.restart();
    answered = counts.daemon.delete(`/sessions/${id}/prompts/t1`);
    void answered.then(() => {
      isAnswered = true;
    });
    // It is known to be open by a daemon that cannot know yet whether it runs.
    const { body } = await counts.daemon.get(`/sessions/${id}`);
    expect(body.session_id).toBe(id);
    expect(isAnswered).toBe(false);
  } finally {
    process.kill(sidecar, "SIGCONT");
  }
  expect(await answered).toMatchObject({ status: 409, body: { error: "turn_not_queued" } });
  await counts.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  await counts.until(id);
  expect(counts.faultsOf(id)).toEqual([]);
});
