/** Words in the whole of a session, also in what is not in memory: the log is read once more, piece by piece. */
import { readLogRange } from "../../client/sessions.ts";
import { address } from "../page/standing.ts";
import type { Follower } from "./follower.ts";

const pieceBytes = 1024 * 1024;

/** Where the last search ended, so that the same words again lead to the next place. */
const places = new WeakMap<Follower, { words: string; offset: number }>();

/** Key of the next item with these words; in what was read first, then from the beginning, and from there again behind the last one. Undefined when there is none. */
export async function searchLog(follower: Follower, words: string, signal: AbortSignal): Promise<number | undefined> {
  if (words.trim() === "") return undefined;
  const last = places.get(follower);
  const { conversation, past } = follower;
  const from = last?.words === words ? last.offset : conversation.start;
  const found =
    (await find(follower, { words, from, to: conversation.offset, signal })) ??
    (from === 0 ? undefined : await find(follower, { words, from: 0, to: from, signal }));
  if (found === undefined) return undefined;
  places.set(follower, { words, offset: found.end });
  await past.backTo(found.start, signal);
  if (found.start >= conversation.start) return conversation.items.indexHolding(found.start);
  if (signal.aborted) return undefined;
  if (past.hasMore)
    throw new Error(
      `Found at byte ${found.start} of the log, but what stands between could not be read: search again, or read it there`,
    );
  throw new RangeError(
    `Found at byte ${found.start} of the log, which is too far up to be shown with all that follows: read it there, or search again for the next place`,
  );
}

/** The first line that has them, in the texts that people see or as they stand in the log. */
async function find(
  { id }: Follower,
  asked: { words: string; from: number; to: number; signal: AbortSignal },
): Promise<{ start: number; end: number } | undefined> {
  // As they stand within JSON.
  const words = JSON.stringify(asked.words).slice(1, -1).toLowerCase();
  const decoder = new TextDecoder();
  let rest = new Uint8Array();
  for (let at = asked.from; at < asked.to && !asked.signal.aborted; ) {
    const to = Math.min(asked.to, at + pieceBytes);
    const piece = await readLogRange(address(), { id, from: at, to, signal: asked.signal });
    if (piece.length === 0) return undefined;
    const bytes = new Uint8Array(rest.length + piece.length);
    bytes.set(rest);
    bytes.set(piece, rest.length);
    const base = at - rest.length;
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, start)) {
      const line = decoder.decode(bytes.subarray(start, end));
      // Pieces of a message come again as the whole of it.
      if (!line.includes('"delta":true') && line.toLowerCase().includes(words))
        return { start: base + start, end: base + end + 1 };
      start = end + 1;
    }
    rest = bytes.slice(start);
    at += piece.length;
  }
  return undefined;
}
