import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const canCompile = process.platform === "linux" && hasCompiler();
if (!canCompile) console.warn("SKIPPED: the test of a slow disk needs Linux and a C compiler (cc)");

const mebibyte = 1024 * 1024;
const rate = 3 * mebibyte;
const lines = 48 * 1024;
/** What may be between the agent and the file: 8 MiB in the daemon, 4 on the sidecar's socket, and pipes and batches. */
const underWayMax = 24 * mebibyte;

describe.skipIf(!canCompile)("a slow disk (needs a C compiler)", () => {
  test("the agent of a log that is slow to write waits at its pipe, nothing is lost, and other sessions go on", async () => {
    const dir = await tempDir();
    onTestFinished(() => dir.remove());
    const library = join(dir.path, "slow-disk.so");
    execFileSync("cc", ["-shared", "-fPIC", "-o", library, fixture("slow-disk.c"), "-ldl"]);
    const printed = join(dir.path, "printed");
    const slow = randomUUID();
    const daemon = await startDaemon({
      config: {
        agents: {
          floods: {
            command: process.execPath,
            args: [fixture("agents/prints-and-tells.mjs"), String(lines), printed],
          },
          echo: { command: process.execPath, args: [fixture("agents/echo.mjs")] },
        },
      },
      env: { LD_PRELOAD: library, SLOW_DISK: `${slow}/events.ndjson`, SLOW_DISK_RATE: String(rate) },
    });
    onTestFinished(() => daemon.stop().then(() => undefined));
    const created = await daemon.post("/sessions", { agent: "floods", session_id: slow, prompt: "begin" });
    expect(created.status).toBe(201);
    const log = join(daemon.dataDir, "sessions", slow, "events.ndjson");
    const printedBytes = () => Number(readFileSync(printed, "utf8")) * 1024;
    const ahead = () => printedBytes() - statSync(log).size;
    await eventually(() => ahead() > 10 * mebibyte, { deadlineMs: 30_000, what: "an agent that is ahead of its log" });
    let mostAhead = 0;
    let othersMeanwhile = 0;
    while (printedBytes() < lines * 1024) {
      mostAhead = Math.max(mostAhead, ahead());
      const other = await daemon.post("/sessions", { agent: "echo", prompt: "still there" });
      await eventually(
        async () => (await daemon.get(`/sessions/${other.body.session_id}`)).body.status === "completed",
        { deadlineMs: 30_000, what: "the end of a session whose disk is fast" },
      );
      if (printedBytes() < lines * 1024) othersMeanwhile += 1;
    }
    expect(othersMeanwhile).toBeGreaterThan(0);
    expect(mostAhead).toBeLessThan(underWayMax);
    await eventually(async () => (await daemon.get(`/sessions/${slow}`)).body.status === "completed", {
      deadlineMs: 60_000,
      what: "the end of the slow session",
    });
    const numbers = [...readFileSync(log, "utf8").matchAll(/^\{"type":"stdout","data":\{"text":"(\d+) /gm)].map(
      ([, number]) => Number(number),
    );
    expect(numbers.length).toBe(lines);
    expect(numbers.every((number, i) => number === i + 1)).toBe(true);
  }, 180_000);
});

function hasCompiler(): boolean {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
