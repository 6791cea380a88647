/** The next lines of a log as a frame for a client: made once for all clients that are at the same place of a live session. */
import type { Session } from "../session/session.ts";
import { nextLinesNow, nextLinesStored, type Stretch } from "./lines.ts";

/** The stretch of the log that a client wants next. */
export interface Wanted extends Stretch {
  isReplaying: boolean;
}

/** Whole lines from where the client is up to `to`. */
export interface Portion {
  to: number;
  frame: Buffer;
  /** Others may be sent this very buffer. */
  isShared: boolean;
}

/** The last live portion: the clients of a session are served one straight after the other. */
let lastLive: { session: WeakRef<Session>; from: number; portion: Portion } | undefined;

/** From memory; undefined when the file must be asked. */
export function recentPortion(session: Session, wanted: Wanted): Portion | undefined {
  const { from, isReplaying } = wanted;
  if (!isReplaying && lastLive?.from === from && lastLive.session.deref() === session) return lastLive.portion;
  const bytes = nextLinesNow(session, wanted);
  if (!bytes) return undefined;
  const isShared = !isReplaying && session.followerCount > 1;
  const portion = { ...portionOf(bytes, { from, isReplaying }), isShared };
  if (isShared) lastLive = { session: new WeakRef(session), from, portion };
  return portion;
}

/** From the file, at any age. Rejects when the log ends before `to`. */
export async function storedPortion(session: Session, wanted: Wanted): Promise<Portion> {
  return portionOf(await nextLinesStored(session, wanted), wanted);
}

function portionOf(bytes: Buffer, { from, isReplaying }: Pick<Wanted, "from" | "isReplaying">): Portion {
  const to = from + bytes.length;
  return { to, frame: isReplaying ? replayFrame(bytes, to) : stdoutFrame(bytes, to), isShared: false };
}

/** Base64 needs no escapes: looking for some in a long log would cost as much as making it. */
function replayFrame(bytes: Buffer, to: number): Buffer {
  return Buffer.from(`{"type":"replay","data":"${bytes.toString("base64")}","offset":${to}}`, "latin1");
}

function stdoutFrame(bytes: Buffer, to: number): Buffer {
  return Buffer.from(`{"type":"stdout","data":${JSON.stringify(bytes.toString("utf8"))},"offset":${to}}`);
}
