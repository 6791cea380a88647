import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { DaemonFile } from "../../src/data-dir.ts";
import { isSameProcess } from "../../src/process/identity.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { type Daemon, openSocket, requests, runCli, startDaemon } from "../support/start-daemon.ts";

const ticks = 'let n = 0; setInterval(() => console.log("tick " + ++n), 20)';
const config = {
  agents: {
    ticks: { command: process.execPath, args: ["-e", ticks] },
    quick: { command: process.execPath, args: ["-e", 'console.log("done")'] },
  },
};

it("the daemon that agentd run starts between two others ends its own sessions, and leaves the others' alone", async () => {
  const first = await startDaemon({ config, args: ["--on-shutdown", "keep"] });
  const { dataDir } = first;
  const env = { AGENTRUNTIME_DATA_DIR: dataDir };
  const daemonFile = () => DaemonFile.parse(JSON.parse(readFileSync(join(dataDir, "daemon.json"), "utf8")));
  let between: DaemonFile | undefined;
  let last: Daemon | undefined;
  const isUp = () => between !== undefined && isSameProcess(between.pid, between.pid_started);
  onTestFinished(async () => {
    if (between && isUp()) process.kill(between.pid, "SIGTERM");
    await eventually(() => !isUp());
    await (last ?? (await startDaemon({ dataDir }))).stop();
    await first.stop();
    rmSync(dirname(dataDir), { recursive: true, force: true });
  });
  // Where a daemon looks that nobody tells of a file.
  writeFileSync(join(dataDir, "config.json"), JSON.stringify(config));
  const created = await first.post("/sessions", { agent: "ticks", interactive: true, prompt: "go" });
  expect(created.status, created.text).toBe(201);
  const night: string = created.body.session_id;
  expect(await first.leave()).toEqual({ code: 0 });

  const ran = await runCli(["run", "--agent", "quick", "--work-dir", process.cwd(), "x"], env);
  expect(ran.exitCode, ran.stderr).toBe(0);
  between = daemonFile();
  const { pid, url = "" } = between;
  const refused = await runCli(["serve", "--port", "0"], env);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(`the daemon with pid ${pid} does at ${url}. "agentd run" started it, and it leaves`);
  expect(refused.stderr).toContain(`"kill ${pid}"`);

  const token = readFileSync(join(dataDir, "token"), "utf8").trim();
  const asked = await requests(url, token).post("/sessions", { agent: "ticks", interactive: true, prompt: "go" });
  expect(asked.status, asked.text).toBe(201);
  const own: string = asked.body.session_id;
  const [ofNight, ofOwn] = await Promise.all([night, own].map((id) => openSocket({ url, token, id, since: 0 })));
  await Promise.all([ofNight, ofOwn].map((client) => client?.frame("connected")));
  process.kill(pid, "SIGTERM");
  expect(await ofNight?.ended()).toMatchObject({ code: 1012 });
  expect((await ofOwn?.frame("exit"))?.type).toBe("exit");
  expect(await ofOwn?.ended()).not.toMatchObject({ code: 1012 });
  await eventually(() => !isUp());
  expect(readFileSync(join(dataDir, "agentd.stderr"), "utf8")).toContain(
    '1 session goes on, begun by an earlier daemon: the next "agentd serve" of this data dir takes over',
  );
  expect(sessionProcesses(night).length).toBeGreaterThan(0);
  expect(sessionProcesses(own)).toEqual([]);

  last = await startDaemon({ dataDir });
  expect((await last.get(`/sessions/${night}`)).body).toMatchObject({ status: "orphaned" });
  expect((await last.get(`/sessions/${own}`)).body).toMatchObject({ end_reason: "shutdown" });
  const { last_seq: before } = (await last.get(`/sessions/${night}`)).body;
  const events = await readLog(last, night, { enough: (all) => (all.at(-1)?.seq ?? 0) > before });
  const said = events.filter(({ type }) => type === "stdout").map(({ data }) => data["text"]);
  expect(said).toEqual(said.map((_, n) => `tick ${n + 1}`));
}, 120_000);
