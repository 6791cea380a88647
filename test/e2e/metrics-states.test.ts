/** What the figures say in states that pass: somebody is awaited, a daemon has taken over, something was started anew. */
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { allProcesses } from "../support/processes.ts";
import { scrape } from "../support/scrape.ts";

let counts: CountsDaemon;
beforeEach(async () => {
  counts = await startCountsDaemon();
});
afterEach(async () => {
  await counts?.stop();
});

const figure = async (series: string) => (await scrape(counts.daemon)).get(`agentruntime_${series}`);

test("who is awaited, what was answered, and what the turn took in tools, tokens and money", async () => {
  const id = await counts.create({ prompt: "words=2 ask=1", permission_mode: "interactive" });
  await counts.until(id, (events) => events.some(({ type }) => type === "input_required"));
  expect(await figure("sessions_awaiting_input")).toBe(1);
  const [question] = (await counts.daemon.get(`/sessions/${id}`)).body.inputs;
  await counts.daemon.put(`/sessions/${id}/inputs/${question.request_id}`, { decision: "approve_once" });
  const events = await counts.until(id, (all) => all.some(({ type }) => type === "result"));
  const result = events.find(({ type }) => type === "result")?.data as {
    usage: Record<string, number>;
    cost_usd: number;
  };
  const { usage, cost_usd } = result;
  const seen = await scrape(counts.daemon);
  const of = (series: string) => seen.get(`agentruntime_${series}`);
  expect(of("sessions_awaiting_input")).toBe(0);
  expect(of('inputs_total{agent="counts",decision="approve_once"}')).toBe(1);
  expect(of('tool_calls_total{agent="counts",kind="execute"}')).toBe(1);
  expect(usage["input_tokens"]).toBeGreaterThan(0);
  expect(of('tokens_total{agent="counts",kind="input"}')).toBe(usage["input_tokens"]);
  expect(of('tokens_total{agent="counts",kind="output"}')).toBe(usage["output_tokens"]);
  expect(cost_usd).toBeGreaterThan(0);
  expect(of('cost_usd_total{agent="counts"}')).toBe(cost_usd);
});

test("what a later daemon has taken over, and what a sidecar that stands still keeps on disk", async () => {
  const id = await counts.create({ prompt: "words=20 ask=0" });
  await counts.until(id, (events) => events.some(({ type }) => type === "result"));
  expect(await figure('sessions_adopted_total{agent="counts"}')).toBeUndefined();
  await counts.daemon.kill9();
  await counts.restart();
  expect(await figure('sessions_adopted_total{agent="counts"}')).toBe(1);
  await counts.daemon.post(`/sessions/${id}/prompt`, { text: "words=20 pause=0 ask=0" });
  await counts.until(id, (events) => events.filter(({ type }) => type === "result").length === 2);
  process.kill(counts.sidecarPid(id), "SIGSTOP");
  try {
    const spooled = spoolBytes(counts.dirOf(id));
    expect(spooled).toBeGreaterThan(0);
    expect(await figure("spool_bytes")).toBe(spooled);
  } finally {
    process.kill(counts.sidecarPid(id), "SIGCONT");
  }
});

test("that a ready sidecar which died was replaced", async () => {
  const [ready] = await eventually(() => nonEmpty(readySidecars()), { what: "a ready sidecar" });
  process.kill(ready ?? 0, "SIGKILL");
  await eventually(async () => (await figure('restarts_total{what="ready_sidecar"}')) === 1, { what: "its loss" });
});

function spoolBytes(dir: string): number {
  const names = readdirSync(dir).filter((name) => name.startsWith("spool-"));
  return names.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

/** They wait in the data dir. */
function readySidecars(): number[] {
  return allProcesses()
    .filter(({ commandLine, workDir }) => commandLine.includes("sidecar.js") && workDir === counts.daemon.dataDir)
    .map(({ pid }) => pid);
}

function nonEmpty<T>(found: T[]): T[] | undefined {
  return found.length > 0 ? found : undefined;
}
