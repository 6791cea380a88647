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
  return `{"type":"${event.type}","data":${encodeData(event)},"timestamp":${numbers.timestamp}${exitCode}${raw},"sidecar_seq":${numbers.sidecarSeq}}\n`;
}

/** The kinds of event that come by the hundred thousand are put together by hand, in a fraction of the time. */
function encodeData(event: SessionEvent): string {
  if (event.type === "stdout" || event.type === "stderr") return `{"text":${JSON.stringify(event.data.text)}}`;
  if (event.type !== "agent_message" || !event.data.delta) return JSON.stringify(event.data);
  const { turn_id, item_id, text, delta, ...rest } = event.data;
  const start = `{"turn_id":${JSON.stringify(turn_id)},"item_id":${JSON.stringify(item_id)},"text":${JSON.stringify(text)},"delta":${delta}`;
  const more = JSON.stringify(rest);
  return more === "{}" ? `${start}}` : `${start},${more.slice(1)}`;
}

/** Encodes an event that the daemon itself makes. */
export function encodeDaemonLine(
  event: SessionEvent,
  numbers: { timestamp: number; sidecarSeq: number; seq: number },
): string {
  return `${encodeSidecarLine(event, numbers).slice(0, -2)},"seq":${numbers.seq}}\n`;
}

/** A batch of whole lines with `seq` in each. @internal */
export interface Numbered {
  bytes: Buffer;
  /** Where in the batch that came in those lines begin whose events say something about the session's life. */
  telling: number[];
}

/**
 * Splices `seq` into each line of a batch of whole sidecar lines. Latin-1 keeps each byte as one character, so
 * nothing is decoded; cutting and joining such strings is several times faster than copying between buffers.
 * Throws a RangeError when the batch is not `count` lines that end in `}\n`.
 * @internal
 */
export function spliceSeq(batch: Buffer, firstSeq: number, count: number): Numbered {
  const text = batch.toString("latin1");
  const telling: number[] = [];
  let out = "";
  let start = 0;
  let seq = firstSeq;
  for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
    if (text[end - 1] !== "}") break;
    if (isTelling(text, start)) telling.push(start);
    out += `${text.slice(start, end - 1)},"seq":${seq++}}\n`;
    start = end + 1;
  }
  if (start !== text.length || seq !== firstSeq + count || count === 0) {
    throw new RangeError(`a batch of ${count} whole lines was announced; it holds others, or ends inside one`);
  }
  return { bytes: Buffer.from(out, "latin1"), telling };
}

const typeStart = '{"type":"'.length;
const quiet = ['agent_message"', 'progress"', 'stdout"', 'stderr"'];

/** Deltas, progress and plain output are most of a session and say nothing about its life. Told by the type alone. */
function isTelling(text: string, start: number): boolean {
  return !quiet.some((type) => text.startsWith(type, start + typeStart));
}

/** The event type of the line that starts at `start`, read without parsing the line. @internal */
export function peekType(batch: Buffer, start: number): string {
  const end = batch.indexOf(0x22, start + typeStart);
  return batch.toString("latin1", start + typeStart, end);
}

const tailNumber =
  /(?:"timestamp":(\d+)(?:,"exit_code":-?\d+)?(?:,"raw":\d+)?,)?"sidecar_seq":(\d+)(?:,"seq":(\d+))?\}\n?$/;

export interface TailNumbers {
  sidecarSeq: number;
  seq: number | undefined;
  timestamp: number | undefined;
}

/** The counts at the end of a line, read without parsing it; undefined when it is not one of our lines. */
export function tailNumbers(line: string): TailNumbers | undefined {
  const found = tailNumber.exec(line.slice(-160));
  if (!found) return undefined;
  const [, timestamp, sidecarSeq, seq] = found;
  return { sidecarSeq: Number(sidecarSeq), seq: numberOf(seq), timestamp: numberOf(timestamp) };
}

function numberOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

/** Parses one whole log line. Throws when it is not one. */
export function parseLogLine(text: string): LogLine {
  const value: unknown = JSON.parse(text);
  return { ...SessionEvent.parse(value), ...LineNumbers.parse(value) };
}

/** The same for readers of logs that a newer version may have written, or a crash torn: of what they do not know, nothing. */
export function knownLogLine(text: string): LogLine | undefined {
  try {
    return parseLogLine(text);
  } catch {
    return undefined;
  }
}
