/** A compressed log, served as the file that it was: its bytes, and ranges of them. */
import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { PackedLog } from "../session/packed-log.ts";

const stepBytes = 256 * 1024;

export function sendPacked(request: FastifyRequest, reply: FastifyReply, log: PackedLog): FastifyReply {
  const { range } = request.headers;
  reply.headers({
    "content-type": "application/x-ndjson",
    "x-content-type-options": "nosniff",
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
  });
  // Whether it is still what the caller knows cannot be told: the whole of it answers that.
  const wanted = range === undefined || request.headers["if-range"] ? undefined : rangeOf(range, log.size);
  if (wanted === "beyond")
    return reply.code(416).header("content-range", `bytes */${log.size}`).header("content-length", 0).send("");
  const { from, to } = wanted ?? { from: 0, to: log.size };
  if (wanted) reply.code(206).header("content-range", `bytes ${from}-${to - 1}/${log.size}`);
  reply.header("content-length", to - from);
  return reply.send(Readable.from(request.method === "HEAD" ? [] : chunks(log, from, to), { objectMode: false }));
}

/** One range of bytes; undefined for what is not one, which is to be ignored. */
function rangeOf(header: string, size: number): { from: number; to: number } | "beyond" | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? [];
  if (first === "" && last === "") return undefined;
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const to = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  return from < to ? { from, to } : "beyond";
}

async function* chunks(log: PackedLog, from: number, to: number): AsyncGenerator<Buffer> {
  for (let at = from; at < to; at += stepBytes) yield await log.read(at, Math.min(to, at + stepBytes));
}
