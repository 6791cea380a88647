/**
 * A session's events from an offset to its end, by server-sent events over `fetch`: in Node, browsers and edge workers
 * alike. Each event once and in order, over as many connections as it takes; nobody notices the reconnects.
 */
import { knownLogLine, type LogLine } from "../protocol/line.ts";
import type { DaemonAddress } from "./address.ts";
import { openCall } from "./http.ts";
import { canPass, pause } from "./retry.ts";

/** An event as the log has it, with the offset after it: pass that as `since` to go on behind it. */
export type SessionEvent = LogLine & { readonly offset: number };

export interface EventStreamOptions {
  /** Byte offset to begin at; `end` for what comes from now on. */
  since?: number | "end";
  /** Ends the iteration without an error. */
  signal?: AbortSignal;
  /** How long a daemon may be gone before we no longer wait for it. */
  giveUpAfterMs?: number;
}

const retryMsMin = 100;
const retryMsMax = 5000;
/** The daemon breathes every 15 s: a connection that is silent for longer is gone. */
const silenceMsMax = 45_000;

/**
 * Throws AgentdError when the daemon refuses, DaemonUnreachable when it stays away; one that was `seen` to answer before is
 * waited for. Ends without an `exit` when the log has none and never will.
 */
export async function* readEvents(
  address: DaemonAddress,
  sessionId: string,
  { since = 0, signal, giveUpAfterMs = 10 * 60_000, isSeen = false }: EventStreamOptions & { isSeen?: boolean } = {},
): AsyncGenerator<SessionEvent, void> {
  let offset = since === "end" ? undefined : since;
  let retryMs = retryMsMin;
  let isAgain = false;
  let lastSeenAt = isSeen ? performance.now() : undefined;
  while (!signal?.aborted) {
    try {
      for await (const { id, data } of readConnection(address, { sessionId, offset, signal, isAgain })) {
        if (id === "over") return;
        lastSeenAt = performance.now();
        offset = id;
        isAgain = true;
        if (data === undefined) continue;
        retryMs = retryMsMin;
        // A daemon of a later version may tell what nobody knew of when this was written.
        const line = knownLogLine(data);
        if (!line) continue;
        yield { ...line, offset: id };
        if (line.type === "exit") return;
      }
    } catch (error) {
      const goneMs = lastSeenAt === undefined ? Number.POSITIVE_INFINITY : performance.now() - lastSeenAt;
      if (signal?.aborted) return;
      if (!canPass(error) || goneMs > giveUpAfterMs) throw error;
    }
    await pause(retryMs, signal);
    retryMs = Math.min(retryMs * 2, retryMsMax);
  }
}

interface Item {
  /** The offset after it; `over` when nothing will ever follow. */
  id: number | "over";
  /** Undefined where only the offset is told. */
  data: string | undefined;
}

/** One connection: where it begins, then each line with the offset after it. Ends when it breaks. */
async function* readConnection(
  address: DaemonAddress,
  at: { sessionId: string; offset: number | undefined; signal: AbortSignal | undefined; isAgain: boolean },
): AsyncGenerator<Item, void> {
  const silence = new AbortController();
  const query = at.offset === undefined ? "" : `?since=${at.offset}`;
  const response = await openCall(address, {
    path: `/sessions/${encodeURIComponent(at.sessionId)}/events${query}`,
    // Whoever says how far it has come is told when that is all.
    headers: at.isAgain && at.offset !== undefined ? { "last-event-id": String(at.offset) } : {},
    signal: at.signal ? AbortSignal.any([at.signal, silence.signal]) : silence.signal,
  });
  if (response.status === 204) return yield { id: "over", data: undefined };
  if (response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    for (;;) {
      timer = setTimeout(() => silence.abort(), silenceMsMax);
      const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
      clearTimeout(timer);
      if (done || value === undefined) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const item = readBlock(block);
        if (item) yield item;
      }
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {
      // The connection is gone already.
    });
  }
}

/** What a daemon sends: an id and at most one line of data. Comments have neither. */
function readBlock(block: string): Item | undefined {
  let id: number | undefined;
  let data: string | undefined;
  for (const line of block.split("\n")) {
    if (line.startsWith("id: ")) id = Number(line.slice(4));
    else if (line.startsWith("data: ")) data = line.slice(6);
  }
  return id === undefined ? undefined : { id, data };
}
