/** A tool's call that edits files → the lines that go and come, whichever agent's words it is in. Pure. */
import * as z from "zod";

/** `@` is a line about the lines: where a hunk stands, or which file it is of. */
export interface DiffLine {
  sign: " " | "+" | "-" | "@";
  text: string;
}

export interface FileDiff {
  path: string;
  lines: DiffLine[];
}

/** Claude Code and OpenCode; the first names its fields with underscores. */
const Replacement = z.union([
  z.looseObject({ old_string: z.string(), new_string: z.string() }),
  z.looseObject({ oldString: z.string(), newString: z.string() }).transform((edit) => ({
    ...edit,
    old_string: edit.oldString,
    new_string: edit.newString,
  })),
]);
const Edits = z.looseObject({ edits: z.array(Replacement) });
const WholeFile = z.looseObject({ content: z.string() });
/** Codex: a new or deleted file comes as it is, another as a unified diff. */
const Changes = z.looseObject({
  changes: z.array(z.looseObject({ path: z.string(), kind: z.unknown(), diff: z.string() })),
});
const Patch = z.union([
  z.looseObject({ diff: z.string() }).transform(({ diff }) => diff),
  z.looseObject({ patch: z.string() }).transform(({ patch }) => patch),
  z.looseObject({ patchText: z.string() }).transform(({ patchText }) => patchText),
]);

/** Empty for a call that edits nothing, or in words that we do not know. */
export function editDiffs({ kind, input }: { kind: string; input: unknown }): FileDiff[] {
  if (kind !== "edit") return [];
  const path = pathOf(input);
  const changes = Changes.safeParse(input).data?.changes;
  if (changes) return changes.map((change) => ({ path: change.path, lines: changeLines(change) }));
  const edits = Edits.safeParse(input).data?.edits ?? [Replacement.safeParse(input).data].filter((edit) => !!edit);
  if (edits.length > 0)
    return [{ path, lines: edits.flatMap(({ old_string, new_string }) => lineDiff(old_string, new_string)) }];
  const patch = Patch.safeParse(input).data;
  if (patch !== undefined) return [{ path, lines: patchLines(patch) }];
  const content = WholeFile.safeParse(input).data?.content;
  return content === undefined ? [] : [{ path, lines: linesOf(content).map((text) => ({ sign: "+", text })) }];
}

const Fields = z.record(z.string(), z.unknown());

/** What the diffs do not show of the call that they are made of: the other fields of it. Looked for in the same order. */
export function besidesDiffs(input: unknown): unknown {
  const fields = Fields.safeParse(input).data;
  if (!fields) return input;
  if (Changes.safeParse(input).success) return { ...fields, changes: restOfEach(fields["changes"], () => ["diff"]) };
  const edits = Edits.safeParse(input).data?.edits;
  if (edits && edits.length > 0) {
    const rest = restOfEach(fields["edits"], replacedBy);
    return rest.length === 0 ? without(fields, "edits") : { ...fields, edits: rest };
  }
  if (!edits && Replacement.safeParse(input).success) return without(fields, ...replacedBy(fields));
  const patch = ["diff", "patch", "patchText"].find((name) => typeof fields[name] === "string");
  return without(fields, patch ?? "content");
}

function replacedBy(fields: Readonly<Record<string, unknown>>): readonly string[] {
  const names = ["old_string", "new_string"];
  return names.every((name) => typeof fields[name] === "string") ? names : ["oldString", "newString"];
}

/** Those that have something left. */
function restOfEach(
  list: unknown,
  shown: (fields: Readonly<Record<string, unknown>>) => readonly string[],
): Record<string, unknown>[] {
  return z
    .array(Fields)
    .parse(list)
    .map((fields) => without(fields, ...shown(fields)))
    .filter((rest) => Object.keys(rest).length > 0);
}

function without(fields: Readonly<Record<string, unknown>>, ...names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

const WithPath = z.looseObject({
  file_path: z.string().optional(),
  filePath: z.string().optional(),
  path: z.string().optional(),
});

function pathOf(input: unknown): string {
  const found = WithPath.safeParse(input).data;
  return found?.file_path ?? found?.filePath ?? found?.path ?? "";
}

function changeLines({ kind, diff }: { kind: unknown; diff: string }): DiffLine[] {
  const word = typeof kind === "string" ? kind : z.looseObject({ type: z.string() }).safeParse(kind).data?.type;
  if (word === "add") return linesOf(diff).map((text) => ({ sign: "+", text }));
  if (word === "delete") return linesOf(diff).map((text) => ({ sign: "-", text }));
  return patchLines(diff);
}

/** A unified diff, or a patch in Codex's own form: what tells of files is kept, but not counted as a change. */
function patchLines(patch: string): DiffLine[] {
  return linesOf(patch).map((line) => {
    if (/^(?:\+\+\+ |--- |@@|\*\*\* |Index: |diff |={10})/.test(line)) return { sign: "@", text: line };
    const sign = line[0];
    if (sign === "+" || sign === "-") return { sign, text: line.slice(1) };
    return { sign: " ", text: sign === " " ? line.slice(1) : line };
  });
}

/** The table below has as many cells as this squared: more is shown as all gone and all new. */
const comparedLinesMax = 400;

/** The longest common part stays, line by line. */
function lineDiff(before: string, after: string): DiffLine[] {
  const old = linesOf(before);
  const made = linesOf(after);
  let start = 0;
  while (start < old.length && start < made.length && old[start] === made[start]) start++;
  let end = 0;
  while (end < old.length - start && end < made.length - start && old.at(-1 - end) === made.at(-1 - end)) end++;
  const same = (text: string): DiffLine => ({ sign: " ", text });
  return [
    ...old.slice(0, start).map(same),
    ...middleDiff(old.slice(start, old.length - end), made.slice(start, made.length - end)),
    ...old.slice(old.length - end).map(same),
  ];
}

function middleDiff(old: readonly string[], made: readonly string[]): DiffLine[] {
  if (old.length > comparedLinesMax || made.length > comparedLinesMax) {
    return [
      ...old.map((text): DiffLine => ({ sign: "-", text })),
      ...made.map((text): DiffLine => ({ sign: "+", text })),
    ];
  }
  const common = commonLengths(old, made);
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < old.length || j < made.length) {
    if (i < old.length && j < made.length && old[i] === made[j]) {
      lines.push({ sign: " ", text: old[i++] ?? "" });
      j++;
    } else if (j >= made.length || (i < old.length && (common[i + 1]?.[j] ?? 0) >= (common[i]?.[j + 1] ?? 0))) {
      lines.push({ sign: "-", text: old[i++] ?? "" });
    } else lines.push({ sign: "+", text: made[j++] ?? "" });
  }
  return lines;
}

/** At [i][j]: how many lines the rest from i and the rest from j have in common, in order. */
function commonLengths(old: readonly string[], made: readonly string[]): Uint16Array[] {
  const table = Array.from({ length: old.length + 1 }, () => new Uint16Array(made.length + 1));
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = made.length - 1; j >= 0; j--) {
      const row = table[i];
      if (!row) continue;
      const below = table[i + 1];
      row[j] = old[i] === made[j] ? (below?.[j + 1] ?? 0) + 1 : Math.max(below?.[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return table;
}

/** A newline at the end begins no line. */
function linesOf(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}
