/** A session that has ended, as a daemon leaves it behind: a record and a log. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

/** `body` is lines of events without their numbers; answers with the path of the log. */
export function putEndedSession(dataDir: string, id: string, body: Iterable<{ type: string; data: object }>): string {
  const folder = join(dataDir, "sessions", id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const at = Date.UTC(2026, 0, 1);
  const spec = {
    session_id: id,
    tags: {},
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
  const ended = { status: "completed", reason: "finished", exit_code: 0, at: at + 500 };
  writeFileSync(join(folder, "session.json"), JSON.stringify({ version: 1, spec, ended }), { mode: 0o600 });
  const log = join(folder, "events.ndjson");
  const file = openSync(log, "w", 0o600);
  let seq = 0;
  let text = "";
  const add = (event: { type: string; data: object }, more: object = {}) => {
    seq++;
    text += `${JSON.stringify({ ...event, timestamp: at + seq, ...more, sidecar_seq: seq, seq })}\n`;
    // It may be of any length.
    if (text.length > 1_000_000) text = written(file, text);
  };
  for (const event of body) add(event);
  add({ type: "exit", data: { code: 0 } }, { exit_code: 0 });
  written(file, text);
  closeSync(file);
  return log;
}

/** Nothing of it is left to write. */
function written(file: number, text: string): "" {
  for (let bytes = Buffer.from(text); bytes.length > 0; ) bytes = bytes.subarray(writeSync(file, bytes));
  return "";
}
