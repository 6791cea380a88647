/** The changes of files that a tool call asks for, in the words that the agents use. Pure. */
import * as z from "zod";
import { type DiffLine, diffLines, unifiedLines } from "./diff.ts";

export interface Edit {
  path: string;
  lines: DiffLine[];
  /** What becomes of the file besides, in words: it is new, deleted, moved. */
  fate?: string;
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
const Change = z.object({
  path: z.string(),
  kind: z.string().optional(),
  move_path: z.string().optional(),
  diff: z.string(),
});
type Change = z.infer<typeof Change>;
const Changes = z.object({ changes: z.array(Change).min(1) });
const changeFields = Object.keys(Change.shape);

/** Undefined when it asks for none that we know how to read. */
export function editsOf(input: unknown): Edit[] | undefined {
  const changes = Changes.safeParse(input).data;
  if (changes) return changes.changes.map(editOf);
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

function editOf(change: Change): Edit {
  const { path, kind, diff } = change;
  const fate = fateOf(change);
  const edit = { path, ...(fate === "" ? {} : { fate }) };
  // Of a file that goes some tell what was in it, and no changes.
  if (kind === "delete" && !diff.startsWith("@@"))
    return { ...edit, lines: unifiedLines(diff, true).map(({ text }) => ({ sign: "-", text })) };
  return { ...edit, lines: unifiedLines(diff, kind === "add") };
}

function fateOf({ kind, move_path }: Change): string {
  const words: Readonly<Record<string, string>> = { add: "new file", delete: "deleted", update: "" };
  const fate = kind === undefined ? "" : Object.hasOwn(words, kind) ? words[kind] : kind;
  return [fate, move_path === undefined ? "" : `moved to ${move_path}`].filter((part) => part !== "").join(", ");
}

/** What the changes do not show of the input that asks for them: fields that they are not made of. */
export function besidesEdits(input: unknown): Readonly<Record<string, unknown>> {
  const fields = z.record(z.string(), z.unknown()).safeParse(input).data ?? {};
  const shown = shownFields(input, fields);
  const rest = Object.fromEntries(Object.entries(fields).filter(([name]) => !shown.includes(name)));
  const others = Changes.safeParse(input).success ? besidesChanges(fields["changes"]) : [];
  return others.length === 0 ? rest : { ...rest, changes: others };
}

/** Of each change that has more fields than are shown: those, and its path. */
function besidesChanges(changes: unknown): Readonly<Record<string, unknown>>[] {
  return z
    .array(z.record(z.string(), z.unknown()))
    .parse(changes)
    .flatMap((change) => {
      const others = Object.entries(change).filter(([name]) => !changeFields.includes(name));
      return others.length === 0 ? [] : [{ path: change["path"], ...Object.fromEntries(others) }];
    });
}

/** In the order in which `editsOf` looks. */
function shownFields(input: unknown, fields: Readonly<Record<string, unknown>>): readonly string[] {
  const changes = Changes.safeParse(input).data?.changes;
  // Of one change the path may stand there twice.
  if (changes)
    return changes.every(({ path }) => path === fields["file_path"]) ? ["changes", "file_path"] : ["changes"];
  const hasText = (name: string) => typeof fields[name] === "string";
  const path = ["file_path", "filePath", "path"].find(hasText) ?? "path";
  if (Pieces.safeParse(input).success) return PlainPieces.safeParse(input).success ? [path, "edits"] : [path];
  return [path, ...(pieceFields.find((names) => names.every(hasText)) ?? ["content"])];
}
