/** The changes of files that a tool call asks for, in the words that the agents use. Pure. */
import * as z from "zod";
import { type DiffLine, diffLines, unifiedLines } from "./diff.ts";

export interface Edit {
  path: string;
  lines: DiffLine[];
}

const Path = z.object({
  file_path: z.string().optional(),
  filePath: z.string().optional(),
  path: z.string().optional(),
});
const Piece = z.union([
  z.object({ old_string: z.string(), new_string: z.string() }),
  z.object({ oldString: z.string(), newString: z.string() }).transform((piece) => ({
    old_string: piece.oldString,
    new_string: piece.newString,
  })),
  z.object({ oldText: z.string().nullable(), newText: z.string() }).transform((piece) => ({
    old_string: piece.oldText ?? "",
    new_string: piece.newText,
  })),
]);
const Pieces = z.object({ edits: z.array(Piece).min(1) });
const Whole = z.object({ content: z.string() });
const Changes = z.object({
  changes: z.array(z.object({ path: z.string(), kind: z.string().optional(), diff: z.string() })).min(1),
});

/** Undefined when it asks for none that we know how to read. */
export function editsOf(input: unknown): Edit[] | undefined {
  const changes = Changes.safeParse(input).data;
  if (changes)
    return changes.changes.map(({ path, kind, diff }) => ({ path, lines: unifiedLines(diff, kind === "add") }));
  const named = Path.safeParse(input).data;
  const path = named?.file_path ?? named?.filePath ?? named?.path;
  if (path === undefined) return undefined;
  const pieces =
    Pieces.safeParse(input).data?.edits ?? [Piece.safeParse(input).data].filter((piece) => piece !== undefined);
  if (pieces.length > 0)
    return [{ path, lines: pieces.flatMap((piece) => diffLines(piece.old_string, piece.new_string)) }];
  const whole = Whole.safeParse(input).data;
  return whole && [{ path, lines: unifiedLines(whole.content, true) }];
}
