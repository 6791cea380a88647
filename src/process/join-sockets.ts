/** Two connections as one: what comes by either goes out by the other, unread, and so does its end. */
import type { Duplex } from "node:stream";

/** A socket of any kind that was opened with `allowHalfOpen`. */
export interface JoinedSocket extends Duplex {
  /** Acts once nothing has come or gone for so long. */
  setTimeout(ms: number, act: () => void): unknown;
}

/** How long the other way may be silent once one side has ended: some that speak last never come to an end. */
const silenceMsMax = 5 * 60 * 1000;

/** Both are gone when both sides have ended and all was sent, and at once when either breaks. */
export function joinSockets(
  one: JoinedSocket,
  other: JoinedSocket,
  { silenceMs = silenceMsMax }: { silenceMs?: number } = {},
): void {
  lead(one, other, silenceMs);
  lead(other, one, silenceMs);
}

function lead(from: JoinedSocket, to: JoinedSocket, silenceMs: number): void {
  from.on("end", () => to.setTimeout(silenceMs, () => to.destroy()));
  from.on("error", () => {
    // `close` follows, and says all that matters here.
  });
  from.on("close", () => {
    // After a whole conversation the last of it may still be on its way to the other.
    if (!from.readableEnded || !from.writableFinished) to.destroy();
  });
  from.pipe(to);
}
