/** What a log alone says of its session: its times and its last result, from its two ends. */
import * as z from "zod";
import { StoredFile } from "../session/stored-file.ts";
import type { SessionRow, Standing } from "../store/store.ts";

/** How much of each end is read. */
const endBytes = 64 * 1024;

const AnyLine = z.looseObject({
  type: z.string(),
  timestamp: z.number().optional(),
  seq: z.number().optional(),
  data: z.looseObject({ status: z.string().optional(), code: z.number().optional().catch(undefined) }).optional(),
});
type AnyLine = z.infer<typeof AnyLine>;

export async function rowOfLog(id: string, path: string, standing: Standing): Promise<SessionRow> {
  const file = new StoredFile(path);
  const size = await file.size();
  const head = linesOf(await file.read(0, Math.min(size, endBytes)));
  const tail = linesOf(await file.read(Math.max(0, size - endBytes), size));
  return {
    ...unknown,
    id,
    standing,
    ...endOf(tail),
    created_at: timeOf(head.find((line) => line.timestamp !== undefined)),
    log_bytes: size,
    last_seq: tail.at(-1)?.seq ?? 0,
  };
}

const unknown = {
  name: null,
  task_id: null,
  agent: null,
  runtime: null,
  interactive: false,
  work_dir: null,
  agent_home: null,
  home_of: null,
  permission_mode: null,
  model: null,
  agent_session_id: null,
  tags: {},
  last_activity: null,
  end_reason: null,
  turns: 0,
  tool_calls: 0,
  input_tokens: 0,
  output_tokens: 0,
  cost_usd: null,
} as const satisfies Partial<SessionRow>;

/** Of a session of which not even the log can be read. */
export function unknownRow(id: string): SessionRow {
  return {
    ...unknown,
    id,
    standing: "live",
    status: null,
    exit_code: null,
    created_at: null,
    ended_at: null,
    log_bytes: 0,
    last_seq: 0,
  };
}

/** Our own logs end with `exit`; what a foreign one says of its end is its last result. */
function endOf(lines: readonly AnyLine[]): Pick<SessionRow, "status" | "exit_code" | "ended_at"> {
  const exit = lines.at(-1);
  const code = exit?.type === "exit" ? exit.data?.code : undefined;
  if (code !== undefined)
    return { status: code === 0 ? "completed" : "failed", exit_code: code, ended_at: timeOf(exit) };
  const result = lines.findLast((line) => line.type === "result");
  return { status: result?.data?.status ?? null, exit_code: null, ended_at: timeOf(result) };
}

function linesOf(bytes: Buffer): AnyLine[] {
  return bytes
    .toString("utf8")
    .split("\n")
    .flatMap((text) => {
      try {
        return [AnyLine.parse(JSON.parse(text))];
      } catch {
        // Cut at the edge of what was read, or not a line of ours: it says nothing here.
        return [];
      }
    });
}

function timeOf(line: AnyLine | undefined): number | null {
  const ms = line?.timestamp;
  // A foreign log may say any number, and dates end somewhere.
  return ms === undefined || Math.abs(ms) > 8.64e15 ? null : Math.trunc(ms);
}
