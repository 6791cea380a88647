import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { agentdContainers, agentdNetworks, dockerHost } from "../support/docker-world.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { LogCheck } from "../tools/log-check.ts";

const deadlineMs = 300_000;
const sessions = 20;
const lines = 400;
const settings = { host: dockerHost, memory: "256m", cpus: 0.5 };

let shells: Shells;

beforeAll(async () => {
  shells = await startShells({ settings, config: { limits: { launch_timeout: "120s" } } });
});

afterAll(() => shells?.stopDaemon());

test(
  `${sessions} containers stream at once, the daemon is killed, the next one has every line of each once, and nothing is left`,
  async () => {
    const script = `for i in $(seq ${lines}); do echo $i; sleep 0.05; done`;
    const ids = await Promise.all(Array.from({ length: sessions }, () => shells.start(script)));
    await Promise.all(ids.map((id) => shells.log(id, (events) => textOf(events, "stdout").length >= 20)));
    const { dataDir } = shells.daemon;
    await shells.daemon.kill9();
    shells.daemon = await startDaemon({ dataDir, deadlineMs: 120_000 });
    for (const id of ids) {
      const events = await shells.log(id);
      expect(textOf(events, "stdout")).toEqual(Array.from({ length: lines }, (_, index) => String(index + 1)));
      expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    }
    const logs = ids.map((id) => join(dataDir, "sessions", id, "events.ndjson"));
    for (const log of logs) {
      const check = new LogCheck();
      check.push(await readFile(log));
      expect(check.end()).toMatchObject({ ended: true, faults: [] });
    }
    await eventually(async () => (await agentdContainers()).length === 0, {
      deadlineMs: 60_000,
      what: "an empty engine",
    });
    await eventually(async () => (await agentdNetworks()).length === 0, { deadlineMs: 60_000, what: "no networks" });
  },
  deadlineMs,
);
