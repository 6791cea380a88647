import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureRunDir } from "../../src/data-dir.ts";
import { type Shells, startShells, textOf } from "../support/docker-shell.ts";
import { agentdContainers, agentdNetworks, dockerHost, engine } from "../support/docker-world.ts";
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
    // What is kept for a next session goes by that, once none is there any more.
    await eventually(
      async () => (await agentdContainers()).every(({ Labels }) => Labels["agentruntime.role"] === "proxy"),
      { deadlineMs: 60_000, what: "the end of the sessions' containers" },
    );
    // By it the proxy goes when the last session is over, which is a moment behind the end of its container.
    const isClean = async () => {
      expect((await shells.daemon.cli("gc")).exitCode).toBe(0);
      return JSON.stringify(await left(dataDir)) === JSON.stringify(nothing);
    };
    await eventually(isClean, {
      deadlineMs: 60_000,
      what: "an engine and folders without anything of the sessions",
    }).catch(async (cause: unknown) => {
      throw new Error(`There is left: ${JSON.stringify(await left(dataDir))}`, { cause });
    });
  },
  deadlineMs,
);

const nothing = { containers: [], networks: [], volumes: [], policies: [], runs: [] };

/** What a session has besides its log: on the engine, and in folders of this machine. */
async function left(dataDir: string): Promise<Record<keyof typeof nothing, string[]>> {
  const filters = { label: ["agentruntime.managed=1"] };
  const { Volumes } = await engine.listVolumes({ filters });
  return {
    containers: (await agentdContainers()).map(({ Names: [name = ""] }) => name),
    networks: await agentdNetworks(),
    volumes: (Volumes ?? []).map(({ Name }) => Name),
    policies: await readdir(join(dataDir, "egress")).catch(() => []),
    runs: await readdir(await ensureRunDir(dataDir)),
  };
}
