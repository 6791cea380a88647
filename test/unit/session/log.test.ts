import { execFileSync } from "node:child_process";
import { appendFile, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { encodeDaemonLine } from "../../../src/protocol/line.ts";
import { type Fsync, LogWriter } from "../../../src/session/log.ts";
import { eventually } from "../../support/eventually.ts";
import { type TempDir, tempDir } from "../../support/temp-dir.ts";

let dir: TempDir;
let path: string;
let writers: LogWriter[];
let written: Buffer[];
let full: boolean[];
let failures: Error[];

beforeEach(async () => {
  dir = await tempDir();
  path = join(dir.path, "events.ndjson");
  writers = [];
  written = [];
  full = [];
  failures = [];
});
afterEach(async () => {
  for (const writer of writers) await writer.close();
  await dir.remove();
});

describe("opening", () => {
  test("a new log is empty and only its owner can read it", async () => {
    const { tail } = await openLog();
    expect(tail).toMatchObject({ end: 0, seq: 0, sidecarSeq: 0 });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test("the counts go on from the last line", async () => {
    const text = line(1, 0) + line(2, 5);
    await writeFile(path, text);
    expect((await openLog()).tail).toMatchObject({ end: text.length, seq: 2, sidecarSeq: 5 });
  });

  test.each([1, 40, 200_000])("a torn line of %i bytes is cut off", async (length) => {
    const whole = line(1, 1);
    await writeFile(path, whole + `{"type":"stdout","data":{"text":"${"x".repeat(length)}`.slice(0, length));
    expect((await openLog()).tail).toMatchObject({ end: whole.length, seq: 1, sidecarSeq: 1 });
    expect(await readFile(path, "utf8")).toBe(whole);
  });

  test("a log that holds only a torn line begins anew", async () => {
    await writeFile(path, `{"type":"stdout`);
    expect((await openLog()).tail).toMatchObject({ end: 0, seq: 0, sidecarSeq: 0 });
    expect((await stat(path)).size).toBe(0);
  });

  test("a last line longer than any block is found", async () => {
    const long = encodeDaemonLine({ type: "stdout", data: { text: "é".repeat(200_000) } }, numbers(2, 2));
    await writeFile(path, line(1, 1) + long);
    const size = (await stat(path)).size;
    expect((await openLog()).tail).toMatchObject({ end: size, seq: 2, sidecarSeq: 2 });
  });

  test("a file of somebody else is refused and stays as it is", async () => {
    await writeFile(path, "my notes\nhalf a li");
    await expect(openLog()).rejects.toThrow("no line at its end (before byte 9) carries a seq");
    expect(await readFile(path, "utf8")).toBe("my notes\nhalf a li");
  });

  test("a symlink is not followed", async () => {
    await writeFile(join(dir.path, "other"), "");
    await symlink(join(dir.path, "other"), path);
    await expect(openLog()).rejects.toThrow("ELOOP");
  });
});

describe("appending", () => {
  test("readers never see a byte that is not theirs while others are appended", async () => {
    const { writer } = await openLog();
    const lines = Array.from({ length: 3000 }, (_, i) => line(i + 1, i, "x".repeat(i % 300)));
    const whole = Buffer.from(lines.join(""));
    let reads = 0;
    const reader = (async () => {
      while (written.length < lines.length) {
        const end = lengthOf(written);
        const from = Math.floor(end / 3);
        expect((await writer.read(from, end)).equals(whole.subarray(from, end))).toBe(true);
        reads++;
        await new Promise(setImmediate);
      }
    })();
    for (const [i, text] of lines.entries()) {
      writer.append(Buffer.from(text), { sync: i % 100 === 0 });
      if (i % 50 === 0) await new Promise(setImmediate);
    }
    await writer.flushed();
    await reader;
    expect(reads).toBeGreaterThan(1);
    expect(await readFile(path)).toEqual(whole);
    expect(Buffer.concat(written)).toEqual(whole);
    expect(writer.pendingBytes).toBe(0);
  });

  test.each(["never", "turn", "always"] satisfies Fsync[])(
    "each append is told once and in order with fsync %s",
    async (fsync) => {
      const { writer } = await openLog(fsync);
      const lines = Array.from({ length: 40 }, (_, i) => line(i + 1, i));
      for (const [i, text] of lines.entries()) writer.append(Buffer.from(text), { sync: i % 10 === 0 });
      await writer.flushed();
      expect(written.map(String)).toEqual(lines);
      expect(await readFile(path, "utf8")).toBe(lines.join(""));
    },
  );

  test("bytes count as pending until they are in the file", async () => {
    const { writer } = await openLog();
    writer.append(Buffer.from(line(1, 1)), { sync: false });
    expect(writer.pendingBytes).toBe(line(1, 1).length);
    await writer.flushed();
    expect(writer.pendingBytes).toBe(0);
  });

  test("a read past the end gives what is there", async () => {
    const { writer } = await openLog();
    writer.append(Buffer.from(line(1, 1)), { sync: false });
    await writer.flushed();
    expect(String(await writer.read(5, 10_000))).toBe(line(1, 1).slice(5));
  });

  test("a write error other than a full disk is told once; what follows is dropped", async () => {
    // A FIFO refuses writes at a position.
    execFileSync("mkfifo", [path]);
    const { writer } = await openLog();
    writer.append(Buffer.from(line(1, 1)), { sync: false });
    writer.append(Buffer.from(line(2, 2)), { sync: false });
    await writer.flushed();
    writer.append(Buffer.from(line(3, 3)), { sync: true });
    await writer.flushed();
    expect(failures.map(({ message }) => message)).toEqual([expect.stringContaining("ESPIPE")]);
    expect({ written, full, pending: writer.pendingBytes }).toEqual({ written: [], full: [], pending: 0 });
  });
});

describe.skipIf(process.getuid?.() !== 0 || process.platform !== "linux")("a full disk (needs root)", () => {
  test("is told, leaves no torn line, and goes on when there is room", async () => {
    const mountPoint = join(dir.path, "small");
    execFileSync("mkdir", [mountPoint]);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", mountPoint]);
    try {
      path = join(mountPoint, "events.ndjson");
      await writeFile(join(mountPoint, "ballast"), Buffer.alloc(128 * 1024));
      const { writer } = await openLog();
      const lines = Array.from({ length: 20 }, (_, i) => line(i + 1, i, "x".repeat(10_000)));
      for (const text of lines) writer.append(Buffer.from(text), { sync: false });
      await eventually(() => full.length > 0, { what: "the disk's being full" });
      const size = (await stat(path)).size;
      expect((await readFile(path, "utf8")).length).toBe(size);
      expect(size === 0 || (await readFile(path, "utf8")).endsWith("}\n")).toBe(true);
      expect(writer.pendingBytes).toBeGreaterThan(0);
      execFileSync("rm", [join(mountPoint, "ballast")]);
      await writer.flushed();
      expect(full).toEqual([true, false]);
      expect(failures).toEqual([]);
      expect(await readFile(path, "utf8")).toBe(lines.join(""));
      await writer.close();
      writers = [];
    } finally {
      execFileSync("umount", [mountPoint]);
    }
  });
});

test("a log that has grown is opened again where it ended", async () => {
  const { writer } = await openLog();
  writer.append(Buffer.from(line(1, 1)), { sync: false });
  await writer.close();
  writers = [];
  await appendFile(path, '{"torn');
  const { writer: second, tail } = await openLog();
  expect(tail.seq).toBe(1);
  second.append(Buffer.from(line(2, 2)), { sync: false });
  await second.flushed();
  expect(await readFile(path, "utf8")).toBe(line(1, 1) + line(2, 2));
});

async function openLog(fsync: Fsync = "never") {
  const opened = await LogWriter.open({
    path,
    fsync,
    onWritten: (pieces) => written.push(...pieces),
    onFull: (isFull) => full.push(isFull),
    onFailed: (error) => failures.push(error),
  });
  writers.push(opened.writer);
  return opened;
}

function line(seq: number, sidecarSeq: number, text = "hello"): string {
  return encodeDaemonLine({ type: "stdout", data: { text } }, numbers(seq, sidecarSeq));
}

function numbers(seq: number, sidecarSeq: number) {
  return { timestamp: 1, sidecarSeq, seq };
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
