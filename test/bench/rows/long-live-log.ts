/** A daemon that was killed leaves a session with a long log alive: how long the next one takes until it serves it. */
import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { performance } from "node:perf_hooks";
import * as z from "zod";
import { eventually } from "../../support/eventually.ts";
import { startDaemon } from "../../support/start-daemon.ts";
import type { Figure } from "../row.ts";

const logMiB = 256;
const text = `${"lorem ipsum dolor sit amet ".repeat(5)}end`;
const agents = {
  long: { harness: "generic", command: "sh", args: ["-c", 'read line; yes "$line" | head -n "$LINES_WANTED"; cat'] },
};
/** What lies behind the last checkpoint of a session that is quiet. */
const behindMax = 512 * 1024;
const Kept = z.object({ checkpoint: z.object({ offset: z.number() }).optional() });

export async function longLiveLog(): Promise<Figure[]> {
  const bytes = logMiB * 1024 * 1024;
  // A line of the log is some 80 bytes longer than its text.
  const lines = Math.ceil(bytes / (text.length + 80));
  const first = await startDaemon({
    config: { agents: { long: { ...agents.long, env: { LINES_WANTED: String(lines) } } } },
  });
  const { body } = await first.post("/sessions", { agent: "long", interactive: true, prompt: text });
  const id: string = body.session_id;
  const { session_dir, log_bytes } = await eventually(
    async () => {
      const { body: shown } = await first.get(`/sessions/${id}`);
      return shown.log_bytes > bytes && shown;
    },
    { deadlineMs: 120_000, everyMs: 200, what: `a log of ${logMiB} MiB` },
  );
  const isCovered = await eventually(
    async () => {
      const { checkpoint } = Kept.parse(JSON.parse(await readFile(`${session_dir}/session.json`, "utf8")));
      return checkpoint !== undefined && log_bytes - checkpoint.offset < behindMax;
    },
    { deadlineMs: 180_000, everyMs: 200 },
  ).catch(() => false);
  await first.kill9();
  const start = performance.now();
  const next = await startDaemon({ dataDir: first.dataDir, deadlineMs: 120_000 });
  const seconds = (performance.now() - start) / 1000;
  try {
    const { status } = await next.get(`/sessions/${id}`);
    if (status !== 200) throw new Error(`The session was not taken over: ${status}`);
    return [
      {
        name: `re-adoption of a live session with a log of ${logMiB} MiB`,
        value: seconds,
        unit: "s",
        target: { atMost: 2 },
        note: `from the start of the program until it serves it; ${isCovered ? "with" : "without"} a checkpoint near the end of its log`,
      },
    ];
  } finally {
    await next.delete(`/sessions/${id}`);
    await next.stop();
    await rm(dirname(first.dataDir), { recursive: true, force: true });
  }
}
