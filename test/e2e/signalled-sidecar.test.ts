/** A sidecar that gets SIGTERM ends, also when nobody is there who could take what it has. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { isAlive } from "../support/processes.ts";
import { type Daemon, startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { canMount, mountSmallDisk, type SmallDisk } from "../torture/small-disk.ts";

const agent = fileURLToPath(new URL("../fixtures/agents/prints-and-tells.mjs", import.meta.url));
if (!canMount) console.warn("SKIPPED: the test of a full disk mounts a small file system, which needs root on Linux");

let folder: TempDir;
let first: Daemon | undefined;
let daemon: Daemon | undefined;
let disk: SmallDisk | undefined;
let sidecarPid = 0;
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(async () => {
  // Of a test that failed.
  if (isAlive(sidecarPid)) process.kill(sidecarPid, "SIGKILL");
  disk?.free();
  await daemon?.stop();
  await first?.stop();
  await disk?.remove();
  await folder.remove();
  disk = first = daemon = undefined;
});

interface Line {
  type: string;
  seq: number;
  data: { code?: unknown; category?: unknown };
}

/** A session whose agent does this once it may; its daemon is gone by then. */
async function abandoned(dataDir: string, act: string) {
  const work = join(folder.path, "work");
  mkdirSync(work);
  const config = {
    limits: { spool_bytes: 262_144 },
    agents: { floods: { command: "sh", args: ["-c", `echo ready; until [ -e go ]; do sleep 0.05; done; ${act}`] } },
  };
  first = await startDaemon({ dataDir, config });
  const { body } = await first.post("/sessions", { agent: "floods", prompt: "go", work_dir: work });
  const dir = join(dataDir, "sessions", body.session_id);
  await eventually(() => readFileSync(join(dir, "events.ndjson"), "utf8").includes('"text":"ready"'));
  await first.kill9();
  const { pid } = JSON.parse(readFileSync(join(dir, "sidecar.json"), "utf8"));
  sidecarPid = pid;
  return {
    dir,
    id: String(body.session_id),
    pid: Number(pid),
    spooledBytes: () =>
      readdirSync(dir)
        .filter((name) => name.startsWith("spool-"))
        .reduce((sum, name) => sum + statSync(join(dir, name)).size, 0),
    letGo: () => writeFileSync(join(work, "go"), ""),
  };
}

/** What the next daemon makes of it: the lines of the log. */
async function takenOver(dataDir: string, id: string): Promise<Line[]> {
  daemon = await startDaemon({ dataDir });
  const log = join(dataDir, "sessions", id, "events.ndjson");
  await eventually(async () => (await daemon?.get(`/sessions/${id}`))?.body.status === "failed", {
    deadlineMs: 30_000,
    what: "the end of the session",
  });
  const lines: Line[] = readFileSync(log, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines.map(({ seq }) => seq)).toEqual(lines.map((_, i) => i + 1));
  return lines;
}

test("whose spool is full: all that it had is in the spool, its exit too", async () => {
  const dataDir = join(folder.path, "data");
  const { id, pid, spooledBytes, letGo } = await abandoned(
    dataDir,
    `echo go | ${process.execPath} ${agent} ${100 * 1024} ${join(folder.path, "printed")}`,
  );
  letGo();
  await eventually(() => spooledBytes() > 262_144, { what: "a full spool" });
  process.kill(pid, "SIGTERM");
  await eventually(() => !isAlive(pid), { deadlineMs: 30_000, what: "the end of the sidecar" });
  const lines = await takenOver(dataDir, id);
  expect(lines.at(-1)?.type).toBe("exit");
  expect(lines.filter(({ data }) => data.code === "sidecar_lost")).toEqual([]);
}, 90_000);

test.skipIf(!canMount)(
  "on a full disk: what is in the spool stays, and what could not be stored is told as cut",
  async () => {
    disk = mountSmallDisk(join(folder.path, "small"), 16);
    const dataDir = join(disk.path, "data");
    const { dir, id, pid, letGo } = await abandoned(
      dataDir,
      `seq 1000 3000; echo > ${join(folder.path, "printed")}; sleep 60`,
    );
    // It has a block then in which there is room for a sentence; the spool's has none for thousands of lines.
    appendFileSync(join(dir, "sidecar.log"), "of the test\n");
    disk.fill();
    letGo();
    await eventually(() => existsSync(join(folder.path, "printed")), { what: "lines of the agent" });
    process.kill(pid, "SIGTERM");
    await eventually(() => !isAlive(pid), { deadlineMs: 30_000, what: "the end of the sidecar" });
    expect(readFileSync(join(dir, "sidecar.log"), "utf8")).toMatch(/lines \d+ to \d+ are cut/);
    disk.free();
    const lines = await takenOver(dataDir, id);
    expect(lines.filter(({ type, data }) => type === "error" && data.code === "sidecar_lost")).toHaveLength(1);
    expect(lines.at(-1)?.type).toBe("exit");
  },
  90_000,
);
