/** The server's event stream (SSE), one awaited call a read. Nothing is replayed: who connects again asks what was missed. */
import type { IncomingMessage } from "node:http";
import { LineSplitter } from "../../src/protocol/ndjson.ts";
import type { OversizedLine } from "../blob-store.ts";
import type { Api } from "./api.ts";

export interface EventBatch {
  /** Events as JSON. */
  events: string[];
  /** One that was too long for memory; only its beginning is known. */
  oversized?: OversizedLine;
}

export interface EventStreamOptions {
  api: Api;
  lineBytesMax: number;
  /** Awaited before more is read. Must not reject: it has nowhere to go. */
  onEvents(batch: EventBatch): Promise<void>;
}

export interface EventStream {
  /** Resolves when the stream has ended, whoever ended it, and all of it was taken. Never rejects. */
  readonly ended: Promise<void>;
  close(): void;
}

/** It says something every 10 s (1.18.33). */
const silenceMsMax = 45_000;
const headBytesMax = 1024;

/** Resolves when the server sends: what happens from now on will be seen. */
export async function openEventStream(options: EventStreamOptions): Promise<EventStream> {
  const abort = new AbortController();
  const response = await options.api.stream("/event", abort.signal);
  return { ended: read(response, options), close: () => abort.abort() };
}

async function read(response: IncomingMessage, options: EventStreamOptions): Promise<void> {
  let oversized: OversizedLine | undefined;
  const splitter = new LineSplitter({
    lineBytesMax: options.lineBytesMax,
    onOverflow: () => measure((line) => (oversized = line)),
  });
  let silence: NodeJS.Timeout | undefined;
  const listen = () => {
    silence = setTimeout(() => response.destroy(), silenceMsMax);
  };
  listen();
  try {
    for await (const chunk of response) {
      // While we are the ones who do not read, its silence says nothing.
      clearTimeout(silence);
      if (!Buffer.isBuffer(chunk)) continue;
      const events = splitter.push(chunk).flatMap((line) => (line.startsWith("data:") ? [line.slice(5).trim()] : []));
      if (events.length > 0 || oversized) await options.onEvents(oversized ? { events, oversized } : { events });
      oversized = undefined;
      listen();
    }
  } catch {
    // Cut off: what was read before still counts, and whoever waits for `ended` decides what to do.
  } finally {
    clearTimeout(silence);
  }
}

function measure(onEnd: (line: OversizedLine) => void) {
  let bytes = 0;
  let head = Buffer.alloc(0);
  return {
    write: (chunk: Buffer) => {
      bytes += chunk.length;
      if (head.length < headBytesMax) head = Buffer.concat([head, chunk.subarray(0, headBytesMax - head.length)]);
    },
    end: () => onEnd({ stream: "stdout", blob: null, bytes, truncated: true, head: head.toString("utf8") }),
  };
}
