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
/** Pieces that a diff shows all of. */
const PlainPieces = z.object({
  edits: z.array(
    z.union([
      z.strictObject({ old_string: z.string(), new_string: z.string() }),
      z.strictObject({ oldString: z.string(), newString: z.string() }),
      z.strictObject({ oldText: z.string(), newText: z.string() }),
    ]),
  ),
});
const pieceFields = [
  ["old_string", "new_string"],
  ["oldString", "newString"],
  ["oldText", "newText"],
];
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

/** What the changes do not show of the input that asks for them: fields that they are not made of. */
export function besidesEdits(input: unknown): Readonly<Record<string, unknown>> {
  const fields = z.record(z.string(), z.unknown()).safeParse(input).data ?? {};
  const shown = shownFields(input, fields);
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !shown.includes(name)));
}

/** In the order in which `editsOf` looks. */
function shownFields(input: unknown, fields: Readonly<Record<string, unknown>>): readonly string[] {
  if (Changes.safeParse(input).success) return ["changes"];
  const hasText = (name: string) => typeof fields[name] === "string";
  const path = ["file_path", "filePath", "path"].find(hasText) ?? "path";
  if (Pieces.safeParse(input).success) return PlainPieces.safeParse(input).success ? [path, "edits"] : [path];
  return [path, ...(pieceFields.find((names) => names.every(hasText)) ?? ["content"])];
}
