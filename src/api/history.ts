/** The logs on disk: sessions of this daemon, deleted ones, and those the Go daemon left. */

import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { defined } from "../protocol/defined.ts";
import type { HistoryEntry } from "../protocol/http.ts";
import { listHomes, sessionHome } from "../session/home.ts";
import { statusOf } from "../session/lifecycle.ts";
import { readRange } from "../session/log.ts";
import type { Entry } from "../supervisor/entry.ts";

/** How much of a foreign log's ends is read for its times and its last result. */
const endBytes = 64 * 1024;

/** Newest end first, logs without one last. */
export async function history(dataDir: string, entries: readonly Entry[], limit: number): Promise<HistoryEntry[]> {
  const known = new Set(entries.map(({ session }) => session.id));
  const ours = entries.map(entryOf);
  const deleted = (await listHomes(dataDir))
    .filter((id) => !known.has(id))
    .map((id) => ({ id, path: sessionHome(dataDir, id).log }));
  const old = (await readdir(join(dataDir, "logs")).catch(() => []))
    .filter((name) => name.endsWith(".ndjson"))
    .map((name) => ({ id: name.slice(0, -".ndjson".length), path: join(dataDir, "logs", name) }));
  const others = await Promise.all(
    [...deleted, ...old].map(({ id, path }) => entryOfFile(id, path).catch(() => undefined)),
  );
  return [...ours, ...others.filter((entry) => entry !== undefined)]
    .sort((a, b) => (b.ended_at ?? "").localeCompare(a.ended_at ?? ""))
    .slice(0, limit);
}

function entryOf({ session }: Entry): HistoryEntry {
  const { spec, state, totals } = session;
  return {
    session_id: session.id,
    agent: spec.agent,
    status: statusOf(state),
    created_at: new Date(spec.created_at).toISOString(),
    log_file: session.home.log,
    file_size: session.end,
    input_tokens: totals.usage.input_tokens,
    output_tokens: totals.usage.output_tokens,
    tool_calls: totals.toolCalls,
    ...(state.at === "ended" ? { exit_code: state.exitCode, ended_at: new Date(state.endedAt).toISOString() } : {}),
    ...defined({ cost_usd: totals.costUsd }),
  };
}

const AnyLine = z.looseObject({
  type: z.string(),
  timestamp: z.number().optional(),
  data: z.looseObject({ status: z.string().optional() }).optional(),
});

async function entryOfFile(id: string, path: string): Promise<HistoryEntry> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const head = linesOf(await readRange(file, 0, Math.min(size, endBytes)));
    const tail = linesOf(await readRange(file, Math.max(0, size - endBytes), size));
    const last = tail.findLast((line) => line.type === "result");
    return {
      session_id: id,
      log_file: path,
      file_size: size,
      ...defined({
        status: last?.data?.status,
        created_at: isoOf(head.find((line) => line.timestamp !== undefined)?.timestamp),
        ended_at: isoOf(last?.timestamp),
      }),
    };
  } finally {
    await file.close();
  }
}

function linesOf(bytes: Buffer): z.infer<typeof AnyLine>[] {
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

function isoOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
