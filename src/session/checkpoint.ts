/**
 * What is known of a log up to an offset, so that a next daemon need not read what lies before it. The log stays the
 * truth: a checkpoint that does not fit it is as good as none.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { tailNumbers } from "../protocol/line.ts";
import { type PlacedLine, type ReadOptions, readPlacedLines, type StoredLog } from "./read-lines.ts";
import { StoredTotals } from "./totals.ts";

const Offset = z.number().int().min(0);

export const Checkpoint = z.object({
  /** Where the last line ends that it covers. */
  offset: Offset.min(1),
  /** The number of that line. */
  seq: z.number().int().min(1),
  /** Digest of the bytes before the offset: numbers are the same in two copies of a log that went on differently. */
  proof: z.string(),
  /** The highest number that was given to a turn. */
  turn_count: z.number().int().min(0),
  totals: StoredTotals,
  /** The first turn that cost nobody knows how much. */
  unpriced_turn: z.string().optional(),
  /** The last turns that have a result: a sidecar may still say that it runs one of them. */
  ended: z.array(z.string()),
  /** Where the lines begin that something is still to come of: prompts, questions, calls, text. */
  open: z.array(Offset),
});
export type Checkpoint = z.infer<typeof Checkpoint>;

const proofBytes = 4096;
/** Most of what is open are short lines, of which the beginning is enough to find the end. */
const openStepBytes = 64 * 1024;

export async function proofAt(log: StoredLog, offset: number): Promise<string> {
  return digestOf(await log.readStored(Math.max(0, offset - proofBytes), offset));
}

/** The checkpoint, if it fits the log. */
export async function believed(log: StoredLog, checkpoint: Checkpoint | undefined): Promise<Checkpoint | undefined> {
  if (!checkpoint || checkpoint.offset > log.end) return undefined;
  const { offset, seq, proof, open } = checkpoint;
  const before = await log.readStored(Math.max(0, offset - proofBytes), offset);
  if (before.at(-1) !== newline || digestOf(before) !== proof) return undefined;
  if (tailNumbers(before.toString("latin1"))?.seq !== seq) return undefined;
  for (const at of open) if (at >= offset || !(await beginsAt(log, at))) return undefined;
  return checkpoint;
}

/** Lines that matter since: those before the checkpoint that are open, then all behind it. */
export async function* linesSince(
  log: StoredLog,
  checkpoint: Checkpoint | undefined,
  wanted: RegExp,
  options: Pick<ReadOptions, "stepBytes" | "onDamage"> = {},
): AsyncGenerator<PlacedLine> {
  for (const at of checkpoint?.open ?? []) {
    const line = await lineAt(log, at);
    if (line && wanted.test(`{"type":"${line.line.type}"`)) yield line;
  }
  yield* readPlacedLines(log, wanted, { ...options, start: checkpoint?.offset ?? 0, after: checkpoint?.seq });
}

const newline = 0x0a;

function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("base64url");
}

async function beginsAt(log: StoredLog, at: number): Promise<boolean> {
  if (at > 0 && (await log.readStored(at - 1, at))[0] !== newline) return false;
  return (await lineAt(log, at)) !== undefined;
}

/** Undefined when it cannot be read. */
async function lineAt(log: StoredLog, at: number): Promise<PlacedLine | undefined> {
  for await (const line of readPlacedLines(log, /^/, { start: at, stepBytes: openStepBytes }))
    return line.at === at ? line : undefined;
  return undefined;
}
