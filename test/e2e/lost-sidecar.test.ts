import { existsSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, it, onTestFinished } from "vitest";
import { type CountsDaemon, startCountsDaemon } from "../support/counts-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { spooledUpTo } from "../torture/spooled.ts";

let counts: CountsDaemon;
afterEach(() => counts.stop());

const sessions = 6;
/** So that each is at another point of its end when the daemon is told to leave. */
const staggerMs = 12;

/** It takes spans and never answers: a daemon that leaves is still there for a while when it has let go of its sessions. */
async function silentCollector(): Promise<string> {
  const server = createServer(() => undefined).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it("a daemon that leaves while it ends sessions whose sidecars were lost leaves those to the next one, whole", async () => {
  counts = await startCountsDaemon();
  const { dataDir } = counts.daemon;
  await counts.daemon.stop();
  const config = JSON.parse(readFileSync(join(dataDir, "config-of-test.json"), "utf8"));
  const otlp_endpoint = await silentCollector();
  const args = ["--on-shutdown", "keep"];
  counts.daemon = await startDaemon({ dataDir, config: { ...config, otlp_endpoint }, args });
  const ids: string[] = [];
  for (let n = 0; n < sessions; n++) ids.push(await counts.create({ prompt: "steps=2000 words=20 pause=20" }));
  for (const id of ids) await counts.until(id, (events) => events.length > 20);
  const left = new Map<string, number>();
  for (const id of ids) {
    process.kill(counts.sidecarPid(id), "SIGKILL");
    left.set(id, spooledUpTo(counts.dirOf(id)));
    await delay(staggerMs);
  }
  await counts.daemon.leave();
  const hasExit = (id: string) => counts.events(id).at(-1)?.type === "exit";
  const kept = (id: string) => Math.max(counts.events(id).at(-1)?.sidecar_seq ?? 0, spooledUpTo(counts.dirOf(id)));
  const hasTrace = (id: string) => existsSync(join(counts.dirOf(id), "sidecar.json"));
  // What is not in the log is in the spool still, and what finds the sidecar's rest too.
  const thrownAway = ids.filter((id) => kept(id) < (left.get(id) ?? 0) || !(hasExit(id) || hasTrace(id)));
  expect(thrownAway).toEqual([]);
  await counts.restart();
  for (const id of ids) {
    const events = await counts.until(id);
    expect(events.filter(({ type }) => type === "result").map(({ data }) => data["status"])).toEqual(["aborted"]);
    expect(events.at(-1)?.type).toBe("exit");
    expect(events.at(-1)?.sidecar_seq).toBeGreaterThanOrEqual(left.get(id) ?? 0);
    expect(counts.faultsOf(id)).toEqual([]);
  }
  await eventually(async () =>
    (await counts.daemon.get("/sessions?state=ended")).body.every(
      (view: { end_reason: string }) => view.end_reason === "sidecar_lost",
    ),
  );
});

it("a sidecar that an earlier daemon began is said to be gone, and its turn to have run as long as it did", async () => {
  counts = await startCountsDaemon();
  const id = await counts.create({ prompt: "steps=2000 words=20 pause=20" });
  const [accepted] = await counts.until(id, (events) => events.length > 20);
  await counts.daemon.kill9();
  const killedAt = Date.now();
  await counts.restart();
  process.kill(counts.sidecarPid(id), "SIGKILL");
  const events = await counts.until(id);
  expect(events.at(-1)?.data["error_detail"]).toBe(`The sidecar of session "${id}" was lost: its process is gone`);
  const duration = Number(events.find(({ type }) => type === "result")?.data["duration_ms"]);
  expect(duration).toBeGreaterThanOrEqual(killedAt - Number(accepted?.timestamp));
});
