/** The lines of a log from an offset on, in portions of whole lines: from memory where they are, else from the file. */
import type { Session } from "../session/session.ts";

/** Bytes of log in one portion, unless one line is longer. */
const portionBytesMax = 256 * 1024;
const newline = 0x0a;

/** A stretch of a log, and how much of it may come at once, a longer line apart. */
export interface Stretch {
  from: number;
  to: number;
  bytesMax: number;
}

/** Whole lines from memory; undefined when the file must be asked. */
export function nextLinesNow(session: Session, { from, to, bytesMax }: Stretch): Buffer | undefined {
  const bytes = session.readRecent(from, Math.min(to, from + Math.min(bytesMax, portionBytesMax)));
  return bytes && cutAtLine(bytes, from + bytes.length === to);
}

/** Whole lines from the file, at any age. Rejects when the log ends before `to`. */
export async function nextLinesStored(session: Session, { from, to, bytesMax }: Stretch): Promise<Buffer> {
  for (let step = Math.min(bytesMax, portionBytesMax); ; step *= 4) {
    const end = Math.min(to, from + step);
    const bytes = await session.readStored(from, end);
    if (bytes.length === 0) throw new Error(`the log ends before offset ${to}`);
    const whole = cutAtLine(bytes, end === to);
    if (whole) return whole;
  }
}

/** The next portion before `to`, which is a line's end. Empty when `from` has come there. */
export async function nextLines(session: Session, stretch: Stretch): Promise<Buffer> {
  if (stretch.from >= stretch.to) return Buffer.alloc(0);
  return nextLinesNow(session, stretch) ?? (await nextLinesStored(session, stretch));
}

/** Whether a line begins at this offset. */
export async function isLineStart(session: Session, offset: number): Promise<boolean> {
  if (offset === 0) return true;
  return (await session.readStored(offset - 1, offset))[0] === newline;
}

/** The first offset from `offset` on at which a line begins. */
export async function nextLineStart(session: Session, offset: number): Promise<number> {
  if (offset >= session.end) return session.end;
  if (await isLineStart(session, offset)) return offset;
  for (let at = offset; at < session.end; at += portionBytesMax) {
    const found = (await session.readStored(at, Math.min(session.end, at + portionBytesMax))).indexOf(newline);
    if (found !== -1) return at + found + 1;
  }
  return session.end;
}

/** The lines in a portion, without their newlines, each with the offset after it. */
export function* linesOf(portion: Buffer, from: number): Generator<{ line: Buffer; end: number }> {
  for (let start = 0; start < portion.length; ) {
    const found = portion.indexOf(newline, start);
    const end = found === -1 ? portion.length : found;
    yield { line: portion.subarray(start, end), end: from + end + 1 };
    start = end + 1;
  }
}

/** Resolves when the log has grown past `offset`, has been sealed, or `waitMs` are over; at once when aborted. */
export function untilPast(session: Session, offset: number, wait: { ms: number; signal: AbortSignal }): Promise<void> {
  if (session.end > offset || session.isSealed || wait.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      unfollow();
      wait.signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, wait.ms);
    wait.signal.addEventListener("abort", done);
    const unfollow = session.follow(() => {
      if (session.end > offset || session.isSealed) done();
    });
  });
}

function cutAtLine(bytes: Buffer, endsWithLine: boolean): Buffer | undefined {
  if (endsWithLine) return bytes;
  const last = bytes.lastIndexOf(newline);
  return last === -1 ? undefined : bytes.subarray(0, last + 1);
}
