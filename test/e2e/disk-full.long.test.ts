import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Daemon, runCli, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { fillDisk } from "../torture/small-disk.ts";

const node = (name: string, ...args: string[]) => ({
  command: process.execPath,
  args: [new URL(`../fixtures/agents/${name}`, import.meta.url).pathname, ...args],
});
const flooded = 130_000;
const late = node("floods-stdout.mjs", String(flooded));
const lateFlood = [late.command, ...late.args];
const agents = {
  echo: node("echo.mjs"),
  flood: node("floods-stdout.mjs", "60000"),
  /** Prints when a file of that name is in its work dir: a daemon may be gone by then. */
  late: {
    command: "sh",
    args: ["-c", `echo ready; until [ -e go ]; do sleep 0.05; done; exec ${lateFlood.join(" ")}`],
  },
};

const isRoot = process.platform === "linux" && process.getuid?.() === 0;
if (!isRoot) console.warn("SKIPPED: the tests of a full disk mount a small file system, which needs root on Linux");

let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(async () => {
  await dir.remove();
});

interface Line {
  type: string;
  data: { text?: string };
  sidecar_seq: number;
  seq: number;
}

/** The lines of a log, after a look at what must hold for each log. */
function checkedLines(path: string): Line[] {
  const text = readFileSync(path, "utf8");
  expect(text.endsWith("}\n")).toBe(true);
  const lines: Line[] = text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const [i, line] of lines.entries()) {
    if (line.seq !== i + 1) throw new Error(`line ${i + 1} has seq ${line.seq}`);
    const step = line.sidecar_seq - (lines[i - 1]?.sidecar_seq ?? 0);
    if (step !== 0 && step !== 1) throw new Error(`sidecar_seq jumps by ${step} at seq ${line.seq}`);
  }
  return lines;
}

describe.skipIf(!isRoot)("a full disk (needs root)", () => {
  let mountPoint: string;
  let daemon: Daemon | undefined;
  beforeEach(() => {
    mountPoint = join(dir.path, "small");
    mkdirSync(mountPoint);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m,mode=700", "tmpfs", mountPoint]);
  });
  afterEach(async () => {
    // A daemon ends when it has written the ends of its sessions, and that needs room.
    rmSync(join(mountPoint, "ballast"), { force: true });
    await daemon?.stop();
    execFileSync("umount", [mountPoint]);
  });

  test("lets no daemon begin, and it says why", async () => {
    const dataDir = join(mountPoint, "data");
    mkdirSync(dataDir);
    fillDisk(join(mountPoint, "ballast"));
    const { exitCode, stderr } = await runCli(["serve", "--port", "0", "--data-dir", dataDir]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("the disk that holds it is full. Make room, then start again");
    expect(readdirSync(dataDir).filter((name) => statSync(join(dataDir, name)).size > 0)).toEqual([]);
  });

  test("takes back no prompt, by an interrupt or a withdrawal, of which the log could not tell", async () => {
    const dataDir = join(mountPoint, "data");
    mkdirSync(dataDir);
    const gate = join(dir.path, "gate");
    const hooks = { post_init: ["sh", "-c", `until [ -e ${gate} ]; do sleep 0.05; done`] };
    daemon = await startDaemon({ dataDir, config: { agents, hooks } });
    const served = daemon;
    const { body } = await served.post("/sessions", { agent: "echo", interactive: true, prompt: "one" });
    const path = `/sessions/${body.session_id}`;
    // The last line of its start: only the next prompt is to find the disk full.
    await eventually(async () => (await served.get(`${path}/log`)).text.includes('"event":"started"'), {
      what: "the hook",
    });
    fillDisk(join(mountPoint, "ballast"));
    // More than the last page of its log has room for.
    const late = served.post(`${path}/prompt`, { text: `two${" and more".repeat(1000)}` });
    await eventually(async () => (await served.get(path)).body.activity === "paused", { what: "the full disk" });
    const refused = [await served.post(`${path}/interrupt`), await served.delete(`${path}/prompts/t1`)];
    expect(refused.map(({ status, body }) => [status, body.error])).toEqual(Array(2).fill([503, "disk_full"]));
    rmSync(join(mountPoint, "ballast"));
    expect((await late).status).toBe(202);
    // The sidecar finds the room a moment later, and until then nothing is taken back.
    await eventually(async () => (await served.post(`${path}/interrupt`)).status === 202, { what: "the interrupt" });
    writeFileSync(gate, "");
    const log = await eventually(
      async () => {
        const { text } = await served.get(`${path}/log`);
        return text.includes("echo: two") && text;
      },
      { what: "the second prompt" },
    );
    expect(log).not.toContain("echo: one");
  });

  test("is told to all who ask or watch, refuses what is new, and costs nothing once there is room", async () => {
    const dataDir = join(mountPoint, "data");
    mkdirSync(dataDir);
    daemon = await startDaemon({ dataDir, config: { agents } });
    const served = daemon;
    writeFileSync(join(mountPoint, "ballast"), Buffer.alloc(20 * 1024 * 1024));
    const { body } = await served.post("/sessions", { agent: "flood", prompt: "go" });
    const id: string = body.session_id;
    const watcher = await served.ws(id, 0);

    const health = await eventually(async () => (await served.get("/health")).body.storage, {
      deadlineMs: 60_000,
      what: "the full disk in /health",
    });
    expect(health).toEqual({ paused: true, message: expect.stringContaining("full") });
    expect(await watcher.frame("paused")).toEqual({ type: "paused", paused: true, reason: expect.stringMatching(/./) });
    expect((await served.get(`/sessions/${id}`)).body).toMatchObject({ status: "running", activity: "paused" });
    expect((await served.get("/metrics")).text).toContain("\nagentruntime_sessions_paused 1\n");
    expect(await served.post("/sessions", { agent: "echo", prompt: "hi" })).toMatchObject({
      status: 503,
      body: { error: "disk_full" },
    });
    expect(readdirSync(join(dataDir, "sessions"))).toEqual([id]);

    const log = (await served.get(`/sessions/${id}`)).body.log_file;
    const told = watcher.offset ?? 0;
    expect(told).toBeLessThanOrEqual(statSync(log).size);

    rmSync(join(mountPoint, "ballast"));
    await watcher.ended(40_000);
    expect(watcher.frames.filter(({ type }) => type === "paused").at(-1)).toMatchObject({ paused: false });
    expect((await served.get("/health")).body.storage).toBeUndefined();
    expect((await served.get("/metrics")).text).toContain("\nagentruntime_sessions_paused 0\n");
    const lines = checkedLines(log);
    expect(watcher.bytes.equals(readFileSync(log))).toBe(true);
    const numbers = lines.filter(({ type }) => type === "stdout").map(({ data }) => data.text);
    expect(numbers).toEqual(Array.from({ length: 60_000 }, (_, i) => `line ${i + 1}`));
    expect((await served.get(`/sessions/${id}`)).body).toMatchObject({ status: "completed", exit_code: 0 });
  });

  test("a daemon serves and says so when it has no room for what a dead sidecar left, which needs its room once", async () => {
    const dataDir = join(mountPoint, "data");
    mkdirSync(dataDir);
    const { id, spooled } = await deadWithSpool(await startDaemon({ dataDir, config: { agents } }), dataDir);
    const ballast = join(mountPoint, "ballast");
    const free = () => statfsSync(mountPoint).bavail * statfsSync(mountPoint).bsize;
    writeFileSync(ballast, Buffer.alloc(free() - 1024 * 1024));
    daemon = await startDaemon({ dataDir, config: { agents }, deadlineMs: 60_000 });
    const served = daemon;
    expect((await served.get("/health")).body.storage).toMatchObject({ paused: true });
    expect(served.output()).toContain("the disk is full: sessions wait until there is room");
    expect((await served.get(`/sessions/${id}`)).body).toMatchObject({ status: "orphaned", activity: "paused" });

    truncateSync(ballast, statSync(ballast).size - 5 * 1024 * 1024);
    expect(free()).toBeLessThan(spooled);
    const ended = await eventually(
      async () => {
        const { body } = await served.get(`/sessions/${id}`);
        return body.status === "completed" && body;
      },
      { deadlineMs: 60_000, what: "the end of the session" },
    );
    expect(served.output()).toContain("there is room on the disk again");
    const numbers = checkedLines(ended.log_file).filter(({ type }) => type === "stdout");
    const said = Array.from({ length: flooded }, (_, i) => `line ${i + 1}`);
    expect(numbers.map(({ data }) => data.text)).toEqual(["ready", ...said]);
  }, 180_000);
});

/** A session whose daemon and sidecar are gone, and most of whose lines are in its spool. */
async function deadWithSpool(first: Daemon, dataDir: string): Promise<{ id: string; spooled: number }> {
  const { body } = await first.post("/sessions", { agent: "late", prompt: "go" });
  const id: string = body.session_id;
  const dir = join(dataDir, "sessions", id);
  await eventually(() => readFileSync(join(dir, "events.ndjson"), "utf8").includes('"text":"ready"'));
  await first.kill9();
  writeFileSync(join(dir, "work", "go"), "");
  const spool = () => readdirSync(dir).filter((name) => name.startsWith("spool-"));
  const tail = () => spool().map((name) => readFileSync(join(dir, name), "latin1").slice(-500));
  await eventually(() => tail().some((text) => text.includes('{"type":"exit"')), {
    deadlineMs: 60_000,
    what: "the end of the agent, in the spool",
  });
  process.kill(JSON.parse(readFileSync(join(dir, "sidecar.json"), "utf8")).pid, "SIGKILL");
  return { id, spooled: spool().reduce((sum, name) => sum + statSync(join(dir, name)).size, 0) };
}

/** `prlimit` sets how large a file of the daemon may become: its writes then fail with EFBIG. More than the store needs. */
function hasPrlimit(): boolean {
  try {
    execFileSync("prlimit", ["--version"]);
    return true;
  } catch {
    return false;
  }
}

test.skipIf(!hasPrlimit())("any other write error ends that session, and the others go on", async () => {
  const daemon = await startDaemon({ config: { agents } });
  try {
    const [doomed, other] = await Promise.all(
      [1, 2].map(async () => (await daemon.post("/sessions", { agent: "echo", interactive: true })).body.session_id),
    );
    const watcher = await daemon.ws(doomed, 0);
    execFileSync("prlimit", ["--pid", String(daemon.pid), "--fsize=1000000"]);
    await daemon.post(`/sessions/${doomed}/prompt`, { text: "lines 20000" });
    await watcher.ended(30_000);
    expect(watcher.frames.at(-1)).toMatchObject({ type: "exit", exit_code: -1 });
    const { body } = await eventually(async () => {
      const answer = await daemon.get(`/sessions/${doomed}`);
      return answer.body.status === "failed" && answer;
    });
    expect(body).toMatchObject({ status: "failed", end_reason: "log_write_failed" });
    expect(checkedLines(body.log_file).length).toBeGreaterThan(0);
    expect(await daemon.post(`/sessions/${doomed}/prompt`, { text: "x" })).toMatchObject({
      status: 409,
      body: { error: "session_ended" },
    });
    const bystander = await daemon.ws(other);
    bystander.send({ type: "prompt", data: "still here" });
    await bystander.event(({ data }) => data["text"] === "echo: still here");
    await bystander.close();
  } finally {
    await daemon.stop();
  }
});
