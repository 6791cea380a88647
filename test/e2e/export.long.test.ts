import { createWriteStream } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { execa } from "execa";
import { expect, test } from "vitest";
import { putEndedSession } from "../support/ended-session.ts";
import { agentdPath, startDaemon } from "../support/start-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

const id = "00000000-0000-4000-8000-000000000001";
const logBytes = 1024 ** 3;

test.each(["md", "ndjson"])("a log of 1 GiB is exported as %s with little memory", async (format) => {
  const dir = await tempDir();
  const dataDir = join(dir.path, "data");
  await mkdir(dataDir, { recursive: true });
  const log = putEndedSession(dataDir, id, []);
  const exit = await readFile(log, "utf8");
  const text = "word ".repeat(1600);
  const lines = function* () {
    for (let bytes = 0, seq = 1; bytes < logBytes; seq++) {
      const data = { turn_id: "t1", item_id: `i${seq}`, text: `${seq} ${text}`, delta: false };
      const line = `${JSON.stringify({ type: "agent_message", data, timestamp: seq, sidecar_seq: seq, seq })}\n`;
      bytes += line.length;
      yield line;
    }
    yield exit;
  };
  await writeFile(log, "");
  await pipeline(Readable.from(lines()), createWriteStream(log, { mode: 0o600 }));
  const daemon = await startDaemon({ dataDir });
  try {
    const file = join(dir.path, "out");
    const args = ["--max-old-space-size=96", agentdPath, "export", id, "--format", format, "--output", file];
    const exporting = execa(process.execPath, [...args, "--url", daemon.url], {
      env: { AGENTD_TOKEN: daemon.token },
      stdin: "ignore",
    });
    let peakKb = 0;
    const looking = setInterval(async () => {
      const status = await readFile(`/proc/${exporting.pid}/status`, "utf8").catch(() => "");
      peakKb = Math.max(peakKb, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    }, 200);
    await exporting.finally(() => clearInterval(looking));
    expect((await stat(file)).size).toBeGreaterThan(logBytes * 0.9);
    if (process.platform === "linux") {
      expect(peakKb).toBeGreaterThan(0);
      expect(peakKb).toBeLessThan(400 * 1024);
    }
  } finally {
    await daemon.stop();
    await dir.remove();
  }
});
