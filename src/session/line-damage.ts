/**
 * What a log shows of bytes that went bad, of lines that somebody put in or took out: without parsing what nobody asked for, by how
 * our lines begin and by their numbers, which have no holes. Pure.
 */

import { SessionEvent } from "../protocol/event.ts";

/** Something in a log that is not as it was written. */
export interface Damage {
  /** Where the line begins. */
  at: number;
  /** What the line says it is. Unknown where it may have been any, or where lines are missing before it. */
  type: string | undefined;
}

const types = SessionEvent.options.map(({ shape }) => shape.type.value);
const begin = new RegExp(`^\\{"type":"(${types.join("|")})","data":\\{`);
const seqMark = '"seq":';

/** `after`: the number of the line before, if that is known. The line's own is what the next one comes after. */
export function damageIn(
  line: string,
  { after, isUnreadable }: { after: number | undefined; isUnreadable: boolean },
): { seq: number | undefined; damage: Omit<Damage, "at"> | undefined } {
  const seq = seqOf(line);
  const type = begin.exec(line)?.[1];
  if (seq === undefined || type === undefined) return { seq, damage: { type: undefined } };
  if (after !== undefined && seq !== after + 1) return { seq, damage: { type: undefined } };
  return { seq, damage: isUnreadable ? { type } : undefined };
}

/** Looked for from the end, where it stands. */
function seqOf(line: string): number | undefined {
  if (!line.endsWith("}")) return undefined;
  const at = line.lastIndexOf(seqMark);
  const seq = at === -1 ? Number.NaN : Number(line.slice(at + seqMark.length, -1));
  return Number.isSafeInteger(seq) && seq > 0 ? seq : undefined;
}
