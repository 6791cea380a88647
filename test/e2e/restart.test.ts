import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { afterEach, describe, expect, it } from "vitest";
import { type ClaudeDaemon, hasResults, ofType, results, startClaudeDaemon } from "../support/claude-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { sessionProcesses } from "../support/processes.ts";
import { readLog } from "../support/read-log.ts";
import { agentdPath, type Daemon, startDaemon } from "../support/start-daemon.ts";
import { LogCheck } from "../tools/log-check.ts";

let claude: ClaudeDaemon;
let next: Daemon | undefined;
afterEach(async () => {
  await next?.stop();
  next = undefined;
  await claude.stop();
  rmSync(dirname(claude.daemon.dataDir), { recursive: true, force: true });
});

async function restart(): Promise<Daemon> {
  next = await startDaemon({ dataDir: claude.daemon.dataDir, env: { TEST_MODEL_KEY: "x" } });
  return next;
}

function sessionDir(id: string): string {
  return join(claude.daemon.dataDir, "sessions", id);
}

/** The agent has ended its turn: its result is in the spool, whoever reads it. */
function hasSpooledResult(id: string): boolean {
  return readdirSync(sessionDir(id)).some(
    (name) =>
      name.startsWith("spool-") && readFileSync(join(sessionDir(id), name), "utf8").includes('{"type":"result"'),
  );
}

const talks = (events: readonly { type: string }[]) => events.filter(({ type }) => type === "agent_message").length > 2;

function faultsOf(id: string): unknown[] {
  const check = new LogCheck();
  check.push(readFileSync(join(sessionDir(id), "events.ndjson")));
  return check.end().faults;
}

describe("a daemon that is told to leave", () => {
  const keep = { args: ["--on-shutdown", "keep"] };

  it("leaves its session at work, and who watches misses nothing", async () => {
    claude = await startClaudeDaemon(keep);
    const id = await claude.create({ prompt: "[[slow:3]]", interactive: true });
    const queued = await claude.prompt(id, "and then this");
    await claude.log(id, talks);
    const client = await claude.daemon.ws(id, 0);
    await client.frame("connected");
    const { dataDir } = claude.daemon;
    const attach = [agentdPath, "attach", id, "--data-dir", dataDir, "--json"];
    const watching = execa(process.execPath, attach, { reject: false, stdin: "ignore", timeout: 50_000 });
    await new Promise((resolve) => watching.stdout?.once("data", resolve));
    expect(await claude.daemon.leave()).toEqual({ code: 0 });
    expect(claude.daemon.output()).toContain('1 session goes on: the next "agentd serve" of this data dir takes over');
    expect(await client.ended()).toMatchObject({ code: 1012 });
    expect(sessionProcesses(id).length).toBeGreaterThan(0);
    const daemon = await restart();
    const events = await readLog(daemon, id, { enough: hasResults(2) });
    expect(results(events)).toEqual([
      { turn: "t1", status: "success" },
      { turn: queued, status: "success" },
    ]);
    await daemon.post(`/sessions/${id}/stop`, { mode: "drain" });
    const { stdout, stderr, exitCode } = await watching;
    expect(exitCode, stderr).toBe(0);
    expect(stderr).toContain("Connected again");
    expect(`${stdout}\n`).toBe(readFileSync(join(sessionDir(id), "events.ndjson"), "utf8"));
    expect(faultsOf(id)).toEqual([]);
  });

  it("ends them when it is so configured", async () => {
    claude = await startClaudeDaemon({ args: ["--on-shutdown", "stop"] });
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true });
    await claude.log(id, talks);
    const client = await claude.daemon.ws(id, 0);
    await client.frame("connected");
    expect(await claude.daemon.leave()).toEqual({ code: 0 });
    expect((await client.frame("exit")).type).toBe("exit");
    await claude.allGone(id);
  });
});

describe("a turn that ends while the daemon is away", () => {
  it("has one result, and a one-shot session ends", async () => {
    claude = await startClaudeDaemon();
    const id = await claude.create({ prompt: "[[slow:1.5]]" });
    await claude.log(id, talks);
    await claude.daemon.kill9();
    await eventually(() => hasSpooledResult(id));
    const daemon = await restart();
    const events = await readLog(daemon, id);
    expect(results(events)).toEqual([{ turn: "t1", status: "success" }]);
    expect(events.at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(faultsOf(id)).toEqual([]);
  });

  it("has one result, and an interactive session takes the next prompt", async () => {
    claude = await startClaudeDaemon();
    const id = await claude.create({ prompt: "[[slow:1.5]]", interactive: true });
    await claude.log(id, talks);
    await claude.daemon.kill9();
    await eventually(() => hasSpooledResult(id));
    const daemon = await restart();
    const { body } = await daemon.post(`/sessions/${id}/prompt`, { text: "on we go" });
    const events = await readLog(daemon, id, { enough: hasResults(2) });
    expect(results(events)).toEqual([
      { turn: "t1", status: "success" },
      { turn: body.turn_id, status: "success" },
    ]);
    await daemon.delete(`/sessions/${id}`);
    expect(faultsOf(id)).toEqual([]);
  });

  it("is aborted once when the sidecar dies too, and what it had said is kept", async () => {
    claude = await startClaudeDaemon();
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true });
    await claude.log(id, talks);
    await claude.daemon.kill9();
    process.kill(Number(JSON.parse(readFileSync(join(sessionDir(id), "sidecar.json"), "utf8")).pid), "SIGKILL");
    const daemon = await restart();
    const events = await readLog(daemon, id);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    await eventually(() => sessionProcesses(id).length === 0);
    expect(faultsOf(id)).toEqual([]);
  });
});

describe("a restart", () => {
  it("after a steer gives the next prompt a turn of its own", async () => {
    claude = await startClaudeDaemon();
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true });
    await claude.log(id, talks);
    await claude.daemon.post(`/sessions/${id}/steer`, { text: "rather [[say:this]]" });
    await claude.log(id, hasResults(1));
    await claude.daemon.kill9();
    const daemon = await restart();
    const { body } = await daemon.post(`/sessions/${id}/prompt`, { text: "and now" });
    const events = await readLog(daemon, id, { enough: hasResults(2) });
    expect(results(events).at(-1)).toEqual({ turn: body.turn_id, status: "success" });
    expect(claude.model.requests.at(-1)?.text).toBe("and now");
    await daemon.delete(`/sessions/${id}`);
  });

  it("keeps what was asked: a session that drains ends when its turn has, a turn keeps its time limit", async () => {
    claude = await startClaudeDaemon();
    const draining = await claude.create({ prompt: "[[slow:2]]", interactive: true });
    const limited = await claude.create({ prompt: "[[slow:20]]", interactive: true, turn_timeout: "2s" });
    await Promise.all([claude.log(draining, talks), claude.log(limited, talks)]);
    await claude.daemon.post(`/sessions/${draining}/stop`, { mode: "drain" });
    await eventually(() => readFileSync(join(sessionDir(draining), "session.json"), "utf8").includes("is_closing"));
    await claude.daemon.kill9();
    const daemon = await restart();
    expect((await daemon.post(`/sessions/${draining}/prompt`, { text: "no" })).status).toBe(409);
    expect((await readLog(daemon, draining)).at(-1)).toMatchObject({ type: "exit", data: { code: 0 } });
    expect(results(await readLog(daemon, limited, { enough: hasResults(1) }))).toEqual([
      { turn: "t1", status: "limit" },
    ]);
    await daemon.delete(`/sessions/${limited}`);
  });
});

describe("bytes that no sidecar wrote", () => {
  it("in the spool of a dead sidecar end that session only", async () => {
    claude = await startClaudeDaemon();
    const other = await claude.create({ prompt: "hello", interactive: true });
    const id = await claude.create({ prompt: "[[slow:20]]", interactive: true });
    await claude.log(id, talks);
    const spool = readdirSync(sessionDir(id)).find((name) => name.startsWith("spool-"));
    appendFileSync(join(sessionDir(id), spool ?? ""), `${"\0".repeat(64)}\n`);
    process.kill(Number(JSON.parse(readFileSync(join(sessionDir(id), "sidecar.json"), "utf8")).pid), "SIGKILL");
    const events = await claude.log(id);
    expect(results(events)).toEqual([{ turn: "t1", status: "aborted" }]);
    expect(ofType(events, "exit")).toHaveLength(1);
    await claude.prompt(other, "still here");
    await claude.log(other, hasResults(2));
    await claude.daemon.delete(`/sessions/${other}`);
    await claude.daemon.kill9();
  });
});
