/** Reading the log: polled from a cursor, as a file, and the blobs beside it. */
import { once } from "node:events";
import { ReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Readable } from "node:stream";
import send from "@fastify/send";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import * as z from "zod";
import { untilPast } from "../bridge/lines.ts";
import { AgentdError, errnoOf } from "../protocol/error.ts";
import { openBlob } from "../session/blob-file.ts";
import { sessionHome } from "../session/home.ts";
import { PackedLog } from "../session/packed-log.ts";
import type { Session } from "../session/session.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { sendPacked } from "./packed-file.ts";

interface ById {
  Params: { id: string };
}

const waitSecondsMax = 60;
const stepBytes = 256 * 1024;

export const LogsQuery = z.looseObject({
  cursor: z
    .string()
    .regex(/^(?:-?\d{1,15})?$/)
    .default(""),
  wait: z.coerce.number().min(0).max(waitSecondsMax).default(0),
  limit: z.coerce.number().int().min(1).optional(),
});

export function logRoutes(
  app: FastifyInstance,
  { supervisor, dataDir }: { supervisor: Supervisor; dataDir: string },
): void {
  app.get<ById>("/sessions/:id/logs", async (request, reply) => {
    const { session } = await supervisor.get(request.params.id);
    const query = LogsQuery.safeParse(request.query);
    if (!query.success) {
      const wrong = query.error.issues[0]?.path[0];
      if (wrong === "cursor")
        throw new AgentdError("invalid_cursor", "invalid cursor: it must be a whole number, an offset in bytes");
      const wanted =
        wrong === "wait" ? `a number of seconds from 0 to ${waitSecondsMax}` : "a whole number of bytes, at least 1";
      throw new AgentdError(
        "invalid_request",
        `Cannot read the log of session "${session.id}": ${String(wrong)} must be ${wanted}`,
      );
    }
    const cursor = Math.max(session.start, Number(query.data.cursor));
    if (query.data.wait > 0) {
      const gone = new AbortController();
      reply.raw.on("close", () => gone.abort());
      await untilPast(session, cursor, { ms: query.data.wait * 1000, signal: gone.signal });
    }
    const end = session.end;
    const from = Math.min(cursor, end);
    const to = query.data.limit === undefined ? end : await lineEnd(session, from, end, query.data.limit);
    return reply
      .header("content-type", "text/plain; charset=utf-8")
      .header("Agentruntime-Log-Cursor", String(to))
      .header("Agentruntime-Log-Start", String(session.start))
      .send(Readable.from(chunks(session, from, to), { objectMode: false }));
  });

  app.get<ById>("/sessions/:id/log", async (request, reply) => {
    const path = await logFile(dataDir, supervisor, request.params.id);
    const file = path === undefined ? undefined : await openFile(request, path);
    if (file) return sendFile(reply, file, "application/x-ndjson");
    const packed = await packedLog(dataDir, supervisor, request.params.id);
    if (packed) return sendPacked(request, reply, packed);
    throw new AgentdError(
      "log_not_found",
      `log file not found: no session "${request.params.id.slice(0, 80)}" ever wrote one here`,
    );
  });

  app.get<{ Params: { id: string; name: string } }>("/sessions/:id/blobs/:name", async (request, reply) => {
    const { session } = await supervisor.get(request.params.id);
    const { name } = request.params;
    const file = await openBlob(session.home, name);
    if (!file)
      throw new AgentdError(
        "blob_not_found",
        `Cannot find the blob ${JSON.stringify(name.slice(0, 128))} of session "${session.id}": its events name the ones it has`,
      );
    const { size } = await file.stat();
    reply.header("content-type", "application/octet-stream").header("content-length", size);
    // Not a byte more, should it grow meanwhile: the next answer on this connection begins where this one is said to end.
    if (size > 0) return reply.send(file.createReadStream({ end: size - 1 }));
    await file.close();
    return reply.send("");
  });
}

/** The log's bytes [from, to), piece by piece, so that any size costs the same memory. */
async function* chunks(session: Session, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to; ) {
    const end = Math.min(to, at + stepBytes);
    const bytes = session.readRecent(at, end) ?? (await session.readStored(at, end));
    if (bytes.length === 0) return;
    at += bytes.length;
    yield bytes;
  }
}

/** The end of the last line within `limit` bytes of `from`; of the first one when that is longer. */
async function lineEnd(session: Session, from: number, end: number, limit: number): Promise<number> {
  const wanted = from + limit;
  if (wanted >= end) return end;
  for (let to = wanted; to > from; to -= stepBytes) {
    const start = Math.max(from, to - stepBytes);
    const last = (await session.readStored(start, to)).lastIndexOf(0x0a);
    if (last !== -1) return start + last + 1;
  }
  for (let start = wanted; start < end; start += stepBytes) {
    const first = (await session.readStored(start, Math.min(end, start + stepBytes))).indexOf(0x0a);
    if (first !== -1) return start + first + 1;
  }
  return end;
}

/** The log of a session of ours, deleted ones included, or one that the Go daemon left. */
async function logFile(dataDir: string, supervisor: Supervisor, ref: string): Promise<string | undefined> {
  const known = await supervisor.find(ref);
  const id = known?.session.id ?? ref;
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(id)) return undefined;
  const candidates = [
    sessionHome(dataDir, id).log,
    join(dataDir, "logs", `${id}.ndjson`),
    join(dataDir, "logs", `${id}.jsonl`),
  ];
  for (const path of candidates) {
    if ((await stat(path).catch(() => undefined))?.isFile()) return path;
  }
  return undefined;
}

/** Asked for behind the file: while that is there it is the truth. */
async function packedLog(dataDir: string, supervisor: Supervisor, ref: string): Promise<PackedLog | undefined> {
  const id = (await supervisor.find(ref))?.session.id ?? ref;
  if (!/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/.test(id)) return undefined;
  try {
    return await PackedLog.open(sessionHome(dataDir, id).log);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

const fileReadBytes = 256 * 1024;

type FileAnswer = Awaited<ReturnType<typeof send>>;

/** Undefined when it is gone: a compression may have come to its end since we looked. */
async function openFile(request: FastifyRequest, path: string): Promise<FileAnswer | undefined> {
  const answer = await send(request.raw, encodeURIComponent(basename(path)), {
    root: dirname(path),
    dotfiles: "allow",
    index: false,
    // Half of a large file's time went into going back and forth for each 64 KiB.
    highWaterMark: fileReadBytes,
  });
  if (answer.statusCode === 404) return undefined;
  const { stream } = answer;
  if (!(stream instanceof ReadStream) || !stream.pending) return answer;
  try {
    // From here on it can be read to its end, also when it has no name any more.
    await once(stream, "open");
    return answer;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function sendFile(reply: FastifyReply, { statusCode, headers, stream }: FileAnswer, contentType: string): FastifyReply {
  reply.code(statusCode).headers({ ...headers, "content-type": contentType, "cache-control": "private, no-cache" });
  if (Number(headers["Content-Length"]) !== 0) return reply.send(stream);
  // It reads a byte of a file that was empty (@fastify/send 4.2.1), and by now there may be one: it would be the next answer's.
  stream.destroy();
  return reply.send("");
}
