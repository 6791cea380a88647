import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

it("a live session that one start cannot read is there at the next start, at work", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "words=3" });
  await counts.until(id, (events) => events.some(({ type }) => type === "result"));
  await counts.daemon.kill9();
  const path = join(counts.dirOf(id), "session.json");
  const record = readFileSync(path, "utf8");
  writeFileSync(path, record.replace('"version": 1', '"version": 2'));
  await counts.restart();
  expect(counts.daemon.output()).toContain(`Cannot read session \\"${id}\\"`);
  expect((await counts.daemon.get(`/sessions/${id}`)).status).toBe(404);
  await counts.daemon.kill9();
  writeFileSync(path, record);
  await counts.restart();
  const { status, body } = await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=2" });
  expect(status).toBe(202);
  const events = await counts.until(id, (all) => all.filter(({ type }) => type === "result").length === 2);
  expect(events.at(-1)).toMatchObject({ type: "result", data: { turn_id: body.turn_id, status: "success" } });
  await counts.daemon.delete(`/sessions/${id}`);
});
