import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";

const ticks = 'let n = 0; setInterval(() => console.log("tick " + ++n), 20)';
const config = {
  agents: {
    ticks: { command: process.execPath, args: ["-e", ticks] },
    quick: { command: process.execPath, args: ["-e", 'console.log("done"); process.exit(3)'] },
  },
};

let first: Daemon;
let daemon: Daemon;
beforeEach(async () => {
  first = await startDaemon({ config });
  daemon = first;
});
afterEach(async () => {
  if (daemon !== first) await daemon.stop();
  // With it goes its data dir.
  await first.stop();
});

const warnings = (output: string) => output.split("\n").filter((line) => line.includes('"level":"warn"'));
const logOf = (id: string) => join(daemon.dataDir, "sessions", id, "events.ndjson");

it("a log whose end was cut off is named once when it is first read, said by the commands, and left as it is", async () => {
  const id: string = (await daemon.post("/sessions", { agent: "quick", prompt: "x" })).body.session_id;
  await eventually(async () => (await daemon.get(`/sessions/${id}`)).body.status === "failed");
  const log = logOf(id);
  const whole = readFileSync(log, "utf8");
  expect((await daemon.cli("logs", id)).stderr).not.toContain("breaks off");
  const exitAt = whole.lastIndexOf("\n", whole.length - 2) + 1;
  truncateSync(log, exitAt + 30);

  const attached = await daemon.cli("attach", id);
  expect(attached.stdout).toContain("done");
  expect(attached.stderr).toContain("The log breaks off before its end. The session has ended, with code 3");
  expect(attached.exitCode).toBe(3);
  expect((await daemon.cli("logs", id)).stderr).toContain("The log breaks off before its end");
  await eventually(() => warnings(daemon.output()).length > 0);
  expect(warnings(daemon.output())).toHaveLength(1);
  expect(warnings(daemon.output())[0]).toContain(
    `the last 30 bytes, from ${exitAt} on, are half a line, and its last line, \\"exit\\", is missing`,
  );
  expect(warnings(daemon.output())[0]).toContain(log);

  await daemon.leave();
  const policy = { config, dataDir: daemon.dataDir, args: ["--compress-days", "0"] };
  daemon = await startDaemon(policy);
  const collected = await daemon.cli("gc");
  expect(collected.exitCode, collected.stderr).toBe(0);
  expect(existsSync(`${log}.gz`)).toBe(false);
  expect(statSync(log).size).toBe(exitAt + 30);
  expect(warnings(daemon.output())).toHaveLength(1);
  await daemon.stop();

  // Mended by hand.
  writeFileSync(log, whole);
  daemon = await startDaemon(policy);
  await daemon.cli("gc");
  await eventually(() => existsSync(`${log}.gz`) && !existsSync(log));
  expect(warnings(daemon.output())).toEqual([]);
});

it("half a line at the end of a live session's log is cut off, and said", async () => {
  const id: string = (await daemon.post("/sessions", { agent: "ticks", interactive: true, prompt: "go" })).body
    .session_id;
  await readLog(daemon, id, { enough: (events) => events.some(({ type }) => type === "stdout") });
  await daemon.kill9();
  await appendFile(logOf(id), '{"type":"stdout","data":');
  daemon = await startDaemon({ dataDir: daemon.dataDir });
  await eventually(() => warnings(daemon.output()).length > 0);
  expect(warnings(daemon.output())[0]).toContain(
    `ended with half a line: its 24 bytes were cut off \\"${logOf(id)}\\"`,
  );
  const { last_seq: before } = (await daemon.get(`/sessions/${id}`)).body;
  const events = await readLog(daemon, id, { enough: (all) => (all.at(-1)?.seq ?? 0) > before });
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, n) => n + 1));
});
