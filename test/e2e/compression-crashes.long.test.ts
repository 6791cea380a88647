import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { putEndedSession } from "../support/ended-session.ts";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";
import { canMount, mountSmallDisk } from "../torture/small-disk.ts";

const id = "00000000-0000-4000-8000-000000000001";
const policy = ["--compress-days", "0"];
let dir: TempDir;
beforeEach(async () => {
  dir = await tempDir();
});
afterEach(() => dir.remove());

/** Text that becomes little smaller. */
function* noise(bytes: number) {
  for (let at = 0; at < bytes; at += 4000)
    yield { type: "stdout", data: { text: randomBytes(3000).toString("base64") } };
}
const digestOf = (bytes: Buffer | string) => createHash("sha256").update(bytes).digest("hex");
const sizeOf = (path: string) => (existsSync(path) ? statSync(path).size : 0);

test("a daemon that is killed at any moment of a compression leaves a log that is whole, and nothing half done behind its next start", async () => {
  const dataDir = join(dir.path, "data");
  const log = putEndedSession(dataDir, id, noise(24 * 1024 * 1024));
  const packed = `${log}.gz`;
  const raw = join(dataDir, "sessions", id, "raw.ndjson");
  copyFileSync(log, raw);
  const copy = join(dir.path, "copy");
  copyFileSync(log, copy);
  const whole = digestOf(readFileSync(log));
  const moments: Record<string, () => boolean> = {
    "as it begins": () => existsSync(join(dataDir, "compressing")),
    "as it writes": () => sizeOf(`${packed}.tmp`) > 1024 * 1024,
    "near the end of that": () => sizeOf(`${packed}.tmp`) > 14 * 1024 * 1024,
    "as it compares": () => existsSync(packed) && existsSync(log),
    "between the two files": () => !existsSync(log) && existsSync(raw),
    "in the second file": () => sizeOf(`${raw}.gz.tmp`) > 1024 * 1024,
    "at its end": () => !existsSync(log) && !existsSync(raw),
  };
  const seen: Record<string, string[]> = {};
  for (const [moment, hasCome] of Object.entries(moments)) {
    for (const path of [packed, `${raw}.gz`]) rmSync(path, { force: true });
    for (const path of [log, raw]) copyFileSync(copy, path);
    const killed = await startDaemon({ dataDir, args: policy });
    await eventually(hasCome, { everyMs: 1, deadlineMs: 60_000, what: `a compression ${moment}` });
    await killed.kill9();
    seen[moment] = readdirSync(join(dataDir, "sessions", id)).sort();
    const next = await startDaemon({ dataDir });
    const names = readdirSync(join(dataDir, "sessions", id));
    for (const path of ["events.ndjson", "raw.ndjson"]) {
      expect(names.filter((name) => name === path || name === `${path}.gz`)).toHaveLength(1);
      expect(names).not.toContain(`${path}.gz.tmp`);
    }
    expect(existsSync(join(dataDir, "compressing"))).toBe(false);
    expect(digestOf((await next.get(`/sessions/${id}/log`)).text)).toBe(whole);
    const { log_file } = (await next.get(`/sessions/${id}`)).body;
    expect([log_file, existsSync(log_file)]).toEqual([existsSync(log) ? log : packed, true]);
    expect((await next.get("/sessions/history")).body).toMatchObject([{ session_id: id, log_file }]);
    await next.stop();
  }
  // The kills came when they were to: half a file, both files, one of each.
  expect(seen["as it writes"]).toContain("events.ndjson.gz.tmp");
  expect(seen["as it compares"]).toEqual(expect.arrayContaining(["events.ndjson", "events.ndjson.gz"]));
  expect(seen["in the second file"]).toEqual(expect.arrayContaining(["events.ndjson.gz", "raw.ndjson"]));
}, 240_000);

if (!canMount) console.warn("SKIPPED: a full disk under a compression needs root on Linux, to mount a small one");

describe.skipIf(!canMount)("a full disk (needs root)", () => {
  test("in the midst of a compression leaves the log as it was and is told; with room it is done", async () => {
    const disk = mountSmallDisk(join(dir.path, "small"), 24);
    try {
      const dataDir = join(disk.path, "data");
      mkdirSync(dataDir);
      const log = putEndedSession(dataDir, id, noise(14 * 1024 * 1024));
      const whole = digestOf(readFileSync(log));
      const daemon = await startDaemon({ dataDir, args: policy });
      try {
        await eventually(() => daemon.output().includes("Cannot compress the log of session"), {
          deadlineMs: 30_000,
        });
        expect(daemon.output()).toContain("ENOSPC");
        expect(readdirSync(join(dataDir, "sessions", id)).sort()).toEqual(["events.ndjson", "session.json"]);
        expect(await daemon.post("/gc")).toMatchObject({
          status: 200,
          body: { compressed: [], failed: [{ session_id: id, error: "disk_full" }] },
        });
        expect((await daemon.get(`/sessions/${id}`)).body).toMatchObject({ log_file: log });
        expect(digestOf((await daemon.get(`/sessions/${id}/log`)).text)).toBe(whole);
        expect(existsSync(join(dataDir, "compressing"))).toBe(false);
        execFileSync("mount", ["-o", "remount,size=64m", disk.path]);
        expect((await daemon.post("/gc")).body).toMatchObject({ compressed: [{ session_id: id }] });
        expect((await daemon.get(`/sessions/${id}`)).body).toMatchObject({ log_file: `${log}.gz` });
        expect(digestOf((await daemon.get(`/sessions/${id}/log`)).text)).toBe(whole);
      } finally {
        await daemon.stop();
      }
    } finally {
      await disk.remove();
    }
  }, 90_000);
});
