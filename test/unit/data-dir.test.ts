import { chmod, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DaemonFile, ensureRunDir, ensureToken, lockDataDir } from "../../src/data-dir.ts";
import { type TempDir, tempDir } from "../support/temp-dir.ts";

let dir: TempDir;
let data: string;
let lockPath: string;
beforeEach(async () => {
  dir = await tempDir();
  data = join(dir.path, "data");
  lockPath = join(data, "daemon.json");
});
afterEach(async () => {
  await dir.remove();
});

describe("the lock", () => {
  test("makes the folder, names its owner, says where to find it, and goes", async () => {
    const lock = await lockDataDir(data, "1.2.3");
    expect(await lockFile()).toMatchObject({ pid: process.pid, version: "1.2.3" });
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    await lock.announce({ url: "http://127.0.0.1:1", token_file: "/t" });
    expect(await lockFile()).toMatchObject({ pid: process.pid, url: "http://127.0.0.1:1", token_file: "/t" });
    expect((await stat(lockPath)).mode & 0o777).toBe(0o600);
    await lock.release();
    expect(await readdir(data)).toEqual([]);
  });

  test("clears away what daemons left that were killed while they took it", async () => {
    await mkdir(data, { recursive: true });
    const left = ["daemon.json.999999999", "daemon.json.next.999999999", "daemon.json.old.999999999"];
    for (const name of [...left, `daemon.json.old.${process.ppid}`]) await writeFile(join(data, name), "");
    const lock = await lockDataDir(data, "1");
    await lock.announce({ url: "http://127.0.0.1:1", token_file: "/t" });
    expect((await readdir(data)).sort()).toEqual(["daemon.json", `daemon.json.old.${process.ppid}`]);
    await lock.release();
  });

  test("is refused while a living process holds it, naming it", async () => {
    const lock = await lockDataDir(data, "1");
    await lock.announce({ url: "http://127.0.0.1:1", token_file: "/t" });
    await expect(lockDataDir(data, "1")).rejects.toThrow(
      `the daemon with pid ${process.pid} does at http://127.0.0.1:1`,
    );
    expect(await readdir(data)).toEqual(["daemon.json"]);
    await lock.release();
    await (await lockDataDir(data, "1")).release();
  });

  test.each([
    ["of a dead process", JSON.stringify({ pid: 2 ** 22 + 1, pid_started: "1", version: "1" })],
    [
      "of a pid that somebody else has now",
      JSON.stringify({ pid: process.pid, pid_started: "another time", version: "1" }),
    ],
    ["that was half written", '{"pid":1'],
    ["that is empty", ""],
  ])("%s is taken over", async (_, text) => {
    await mkdir(data);
    await writeFile(lockPath, text);
    const lock = await lockDataDir(data, "2");
    expect(await lockFile()).toMatchObject({ pid: process.pid, version: "2" });
    await lock.release();
  });

  test.skipIf(process.platform !== "linux")(
    "a data dir where nothing can be made is refused in a sentence",
    async () => {
      await expect(lockDataDir("/proc/agentd/data", "1")).rejects.toThrow(
        /^Cannot use the data dir ".*": .*--data-dir$/,
      );
    },
  );

  test("a data dir is made with the folders above it", async () => {
    const deep = join(dir.path, "a/b/data");
    await (await lockDataDir(deep, "1")).release();
    expect((await stat(join(dir.path, "a"))).mode & 0o777).toBe(0o700);
  });

  test.each(["file/data", "file"])("a data dir at %s that cannot be one is refused in a sentence", async (path) => {
    await writeFile(join(dir.path, "file"), "");
    await expect(lockDataDir(join(dir.path, path), "1")).rejects.toThrow(
      /^Cannot use the data dir ".*": .*Name another with --data-dir$/,
    );
  });
});

describe("the token", () => {
  test("is made once, long and readable by its owner only", async () => {
    const path = join(dir.path, "token");
    const token = await ensureToken(path);
    expect(token).toMatch(/^[\w-]{43}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await ensureToken(path)).toBe(token);
  });

  test("that others could read is closed to them", async () => {
    const path = join(dir.path, "token");
    await writeFile(path, "0123456789abcdef\n", { mode: 0o644 });
    await chmod(path, 0o644);
    expect(await ensureToken(path)).toBe("0123456789abcdef");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("that is too short, a folder, or in no folder is refused in a sentence", async () => {
    await writeFile(join(dir.path, "short"), "abc\n");
    for (const name of ["short", "", "none/token"]) {
      await expect(ensureToken(join(dir.path, name))).rejects.toThrow(/^Cannot use the token in "/);
    }
  });
});

describe("the run folder", () => {
  test("is in the data dir, private, and its sockets' paths fit", async () => {
    await mkdir(data);
    const run = await ensureRunDir(data);
    expect(run).toBe(join(data, "run"));
    expect((await stat(run)).mode & 0o777).toBe(0o700);
  });

  test("is a short one in the temp dir for a data dir with a long name", async () => {
    const run = await ensureRunDir(join(dir.path, "x".repeat(100)));
    const other = await ensureRunDir(join(dir.path, "y".repeat(100)));
    try {
      expect(Buffer.byteLength(`${run}/0123456789ab/s`)).toBeLessThanOrEqual(107);
      expect((await stat(run)).mode & 0o777).toBe(0o700);
      expect(other).not.toBe(run);
    } finally {
      await Promise.all([rm(run, { recursive: true }), rm(other, { recursive: true })]);
    }
  });

  test("that others may enter, or that is a symlink, is refused", async () => {
    await mkdir(join(data, "run"), { recursive: true });
    await chmod(join(data, "run"), 0o755);
    await expect(ensureRunDir(data)).rejects.toThrow(/found mode 755/);
    const other = join(dir.path, "other");
    await mkdir(other);
    await symlink(data, join(other, "run"));
    await expect(ensureRunDir(other)).rejects.toThrow(/Cannot use the run folder/);
  });
});

async function lockFile(): Promise<DaemonFile> {
  return DaemonFile.parse(JSON.parse(await readFile(lockPath, "utf8")));
}
