/** How long a daemon takes to listen in a data dir with many sessions that have ended. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../../support/start-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { percentile } from "../process-figures.ts";
import type { Figure, RowOptions } from "../row.ts";

const count = 10_000;

export async function pastSessions({ runs }: RowOptions): Promise<Figure[]> {
  const dir = await tempDir();
  try {
    const dataDir = join(dir.path, "data");
    makePastSessions(dataDir);
    const firstMs = await startMs(dataDir);
    const next: number[] = [];
    for (let run = 0; run < runs; run++) next.push(await startMs(dataDir));
    return [
      {
        name: `daemon: start with ${count} past sessions, p50`,
        value: percentile(next, 0.5),
        unit: "ms",
        target: { atMost: 1000 },
        note: `the first, whose store knows none of them: ${firstMs.toFixed(0)} ms`,
      },
    ];
  } finally {
    await dir.remove();
  }
}

async function startMs(dataDir: string): Promise<number> {
  const before = performance.now();
  const daemon = await startDaemon({ dataDir, deadlineMs: 120_000 });
  const ms = performance.now() - before;
  await daemon.stop();
  return ms;
}

/** As a daemon leaves them behind: a record and a log each. */
function makePastSessions(dataDir: string): void {
  const start = Date.UTC(2026, 0, 1);
  for (let n = 0; n < count; n++) {
    const id = `0000${n.toString(16).padStart(4, "0")}-0000-4000-8000-000000000000`;
    const folder = join(dataDir, "sessions", id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const at = start + n * 1000;
    const spec = {
      session_id: id,
      tags: { team: `t${n % 10}` },
      agent: "claude",
      runtime: "local",
      interactive: false,
      work_dir: "/tmp",
      work_dir_is_scratch: false,
      agent_home: "user",
      home_of: id,
      trust_workspace: false,
      keep_raw: false,
      created_at: at,
    };
    const totals = { ...usage, cost_usd: 0.01, tool_calls: 0, turns: 1 };
    const ended = { status: "completed", reason: "finished", exit_code: 0, at: at + 500 };
    writeFileSync(join(folder, "session.json"), JSON.stringify({ version: 1, spec, totals, ended }), { mode: 0o600 });
    const lines = [
      { type: "user_message", data: { turn_id: "t1", kind: "prompt", text: "hello" } },
      { type: "exit", data: { code: 0 }, exit_code: 0 },
    ].map(({ type, data, ...rest }, index) =>
      JSON.stringify({ type, data, timestamp: at, ...rest, sidecar_seq: index, seq: index + 1 }),
    );
    writeFileSync(join(folder, "events.ndjson"), `${lines.join("\n")}\n`, { mode: 0o600 });
  }
}

const usage = {
  input_tokens: 1,
  output_tokens: 1,
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
};
