/**
 * A log line: `{"type":…,"data":{…},"timestamp":…,…,"sidecar_seq":N,"seq":M}\n`, compact JSON.
 * The sidecar writes everything up to its own count; the daemon splices `seq` in without parsing the line.
 */
import * as z from "zod";
import { SessionEvent } from "./event.ts";

/** What stands beside the event on a line. */
export const LineNumbers = z.object({
  /** Unix ms, when the process that made the line made it. */
  timestamp: z.number(),
  /** On `exit` only; repeats `data.code` where older clients look for it. */
  exit_code: z.number().optional(),
  /** Byte position in `raw.ndjson` of the agent's own line, with `keep_raw`. */
  raw: z.number().optional(),
  /** How far the sidecar's own count had come. Daemon-born lines repeat it. */
  sidecar_seq: z.number(),
  /** From 1, without holes. Minted by the daemon. */
  seq: z.number(),
});
export type LineNumbers = z.infer<typeof LineNumbers>;

export type LogLine = SessionEvent & LineNumbers;

/** Encodes an event as the sidecar sends it: without `seq`, ending in a newline. */
export function encodeSidecarLine(
  event: SessionEvent,
  numbers: { timestamp: number; sidecarSeq: number; raw?: number },
): string {
  const raw = numbers.raw === undefined ? "" : `,"raw":${numbers.raw}`;
  const exitCode = event.type === "exit" ? `,"exit_code":${event.data.code}` : "";
  return `{"type":"${event.type}","data":${JSON.stringify(event.data)},"timestamp":${numbers.timestamp}${exitCode}${raw},"sidecar_seq":${numbers.sidecarSeq}}\n`;
}

/** Encodes an event that the daemon itself makes. */
export function encodeDaemonLine(
  event: SessionEvent,
  numbers: { timestamp: number; sidecarSeq: number; seq: number },
): string {
  return `${encodeSidecarLine(event, numbers).slice(0, -2)},"seq":${numbers.seq}}\n`;
}

const newline = 0x0a;
const closingBrace = 0x7d;

/**
 * Splices `seq` into each line of a batch of whole sidecar lines.
 * Throws a RangeError when a line does not end in `}\n`: the sidecar only sends whole lines.
 */
export function spliceSeq(batch: Buffer, firstSeq: number): { bytes: Buffer; count: number } {
  if (batch.length < 3 || batch[batch.length - 1] !== newline) throw new RangeError("a batch must end in a newline");
  let count = 0;
  for (let at = batch.indexOf(newline); at !== -1; at = batch.indexOf(newline, at + 1)) count++;
  const bytes = Buffer.allocUnsafe(batch.length + count * (8 + String(firstSeq + count).length));
  let out = 0;
  let start = 0;
  for (let seq = firstSeq; seq < firstSeq + count; seq++) {
    const end = batch.indexOf(newline, start);
    if (batch[end - 1] !== closingBrace) throw new RangeError("each line of a batch must end in a brace");
    out += batch.copy(bytes, out, start, end - 1);
    out += bytes.write(`,"seq":${seq}}\n`, out, "latin1");
    start = end + 1;
  }
  return { bytes: bytes.subarray(0, out), count };
}

const typeStart = '{"type":"'.length;

/** The event type of the line that starts at `start`, read without parsing the line. */
export function peekType(batch: Buffer, start: number): string {
  const end = batch.indexOf(0x22, start + typeStart);
  return batch.toString("latin1", start + typeStart, end);
}

const tailNumber = /"sidecar_seq":(\d+)(?:,"seq":(\d+))?\}\n?$/;

/** The counts at the end of a line, read without parsing it; undefined when it is not one of our lines. */
export function tailNumbers(line: string): { sidecarSeq: number; seq: number | undefined } | undefined {
  const found = tailNumber.exec(line.slice(-80));
  if (!found) return undefined;
  return { sidecarSeq: Number(found[1]), seq: found[2] === undefined ? undefined : Number(found[2]) };
}

/** Parses one whole log line. Throws when it is not one. */
export function parseLogLine(text: string): LogLine {
  const value: unknown = JSON.parse(text);
  return { ...SessionEvent.parse(value), ...LineNumbers.parse(value) };
}
