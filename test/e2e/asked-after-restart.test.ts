/** What is asked of a daemon that does not know yet what its session's sidecar did before it came. */
import { expect, onTestFinished, test } from "vitest";
import { startCountsDaemon } from "../support/counts-daemon.ts";

/** A daemon was killed while t1 ran; the sidecar stands still until it is told to go on, and so tells the next one nothing. */
async function beforeItsSidecarAnswers(args: readonly string[] = []) {
  const counts = await startCountsDaemon();
  onTestFinished(() => counts.stop());
  const id = await counts.create({ prompt: "steps=1 words=2000 pause=50" });
  await counts.until(id, (events) => events.some(({ type }) => type === "agent_message"));
  const sidecar = counts.sidecarPid(id);
  const goOn = () => void process.kill(sidecar, "SIGCONT");
  process.kill(sidecar, "SIGSTOP");
  onTestFinished(goOn);
  await counts.daemon.kill9();
  await counts.restart(args);
  return { counts, id, goOn };
}

/** It is asked something else meanwhile, so that it has had the time to answer too early. */
async function waits(answer: Promise<unknown>, meanwhile: () => Promise<unknown>): Promise<boolean> {
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  await meanwhile();
  return !isAnswered;
}

test("a prompt that was given to the agent before the daemon died cannot be taken back from the next one", async () => {
  const { counts, id, goOn } = await beforeItsSidecarAnswers();
  const answer = counts.daemon.delete(`/sessions/${id}/prompts/t1`);
  expect(await waits(answer, () => counts.daemon.get(`/sessions/${id}`))).toBe(true);
  goOn();
  expect(await answer).toMatchObject({ status: 409, body: { error: "turn_not_queued" } });
  await counts.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  await counts.until(id);
  expect(counts.faultsOf(id)).toEqual([]);
});

test("a steer joins the turn that was begun before the daemon died, and is no prompt of its own", async () => {
  const { counts, id, goOn } = await beforeItsSidecarAnswers();
  const answer = counts.daemon.post(`/sessions/${id}/steer`, { text: "turn left" });
  expect(await waits(answer, () => counts.daemon.get(`/sessions/${id}`))).toBe(true);
  goOn();
  expect(await answer).toMatchObject({ status: 202, body: { turn_id: "t1" } });
  await counts.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  const events = await counts.until(id);
  expect(events.flatMap(({ type, data }) => (type === "user_message" ? [data["kind"]] : []))).toEqual([
    "prompt",
    "steer",
  ]);
  expect(counts.faultsOf(id)).toEqual([]);
});

test("a steer that still waits when its daemon leaves is sent on to the next one, and the agent has not heard of it", async () => {
  const { counts, id, goOn } = await beforeItsSidecarAnswers(["--on-shutdown", "keep"]);
  const answer = counts.daemon.post(`/sessions/${id}/steer`, { text: "turn left" });
  expect(await waits(answer, () => counts.daemon.get(`/sessions/${id}`))).toBe(true);
  await counts.daemon.leave();
  expect(await answer).toMatchObject({ status: 503, body: { error: "shutting_down" } });
  goOn();
  await counts.restart();
  await counts.daemon.post(`/sessions/${id}/stop`, { mode: "now" });
  const events = await counts.until(id);
  expect(events.filter(({ type }) => type === "user_message")).toHaveLength(1);
});
