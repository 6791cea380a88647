/** The logs on disk: sessions of this daemon, deleted ones, and those the Go daemon left. */

import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { defined } from "../protocol/defined.ts";
import { errnoOf } from "../protocol/error.ts";
import type { HistoryEntry } from "../protocol/http.ts";
import { listHomes, sessionHome } from "../session/home.ts";
import { statusOf } from "../session/lifecycle.ts";
import { readRange } from "../session/log.ts";
import type { Entry } from "../supervisor/entry.ts";

/** How much of a foreign log's ends is read for its times and its last result. */
const endBytes = 64 * 1024;
/** Files open at once: a data dir may hold more logs than a process may have files. */
const filesAtOnce = 16;

/** Newest end first, logs without one last. */
export async function history(dataDir: string, entries: readonly Entry[], limit: number): Promise<HistoryEntry[]> {
  const known = new Set(entries.map(({ session }) => session.id));
  const ours = entries.map(entryOf);
  const deleted = (await listHomes(dataDir))
    .filter((id) => !known.has(id))
    .map((id) => ({ id, path: sessionHome(dataDir, id).log }));
  const old = ((await unlessUnreadable(readdir(join(dataDir, "logs")))) ?? [])
    .filter((name) => name.endsWith(".ndjson"))
    .map((name) => ({ id: name.slice(0, -".ndjson".length), path: join(dataDir, "logs", name) }));
  const others = await inGroups([...deleted, ...old], async (file) => {
    const found = await unlessUnreadable(stat(file.path));
    return found && { ...file, changedAt: found.mtime.toISOString() };
  });
  return newest(ours, others, limit);
}

interface LogFile {
  id: string;
  path: string;
  changedAt: string;
}

/** Reads the files that were changed last until no other can be among the first `limit`: none ended after its last change. */
async function newest(ours: readonly HistoryEntry[], files: LogFile[], limit: number): Promise<HistoryEntry[]> {
  const byChange = files.sort((a, b) => b.changedAt.localeCompare(a.changedAt));
  const entries = [...ours];
  for (let at = 0; at < byChange.length; at += filesAtOnce) {
    const changedAt = byChange[at]?.changedAt ?? "";
    if (entries.filter(({ ended_at = "" }) => ended_at > changedAt).length >= limit) break;
    const group = byChange.slice(at, at + filesAtOnce);
    entries.push(...(await inGroups(group, ({ id, path }) => unlessUnreadable(entryOfFile(id, path)))));
  }
  return entries.sort((a, b) => (b.ended_at ?? "").localeCompare(a.ended_at ?? "")).slice(0, limit);
}

/** What there is of each, in order; a few at a time. */
async function inGroups<From, To>(all: readonly From[], read: (one: From) => Promise<To | undefined>): Promise<To[]> {
  const found: To[] = [];
  for (let at = 0; at < all.length; at += filesAtOnce) {
    const group = await Promise.all(all.slice(at, at + filesAtOnce).map(read));
    found.push(...group.filter((one) => one !== undefined));
  }
  return found;
}

/** One that is gone, is no file or is somebody else's is left out. What fails for our own sake (too many open files) is not. */
async function unlessUnreadable<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EISDIR", "EACCES", "EPERM"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
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
  // A foreign log may say any number, and dates end somewhere.
  return ms === undefined || Math.abs(ms) > 8.64e15 ? undefined : new Date(ms).toISOString();
}
