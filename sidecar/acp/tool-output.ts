/** What a tool call brought, in the words that are nearest to the tool's own. Pure. */
import * as z from "zod";

export interface Brought {
  content: readonly { readonly type: string }[] | undefined;
  rawOutput: unknown;
}

const TextBlock = z.object({
  type: z.literal("content"),
  content: z.object({ type: z.literal("text"), text: z.string() }),
});
const DiffBlock = z.object({ type: z.literal("diff"), path: z.string() });
const Raw = z.looseObject({
  output: z.string().optional().catch(undefined),
  error: z.string().optional().catch(undefined),
});
const Exit = z.looseObject({
  exitCode: z.number().nullish().catch(undefined),
  exit_code: z.number().nullish().catch(undefined),
  exit: z.number().nullish().catch(undefined),
});

/** A raw output that is a text is unadorned; the content blocks may be dressed up for people. */
export function outputOf({ content, rawOutput }: Brought): string {
  if (typeof rawOutput === "string") return rawOutput;
  const shown = contentText(content);
  if (shown !== "") return shown;
  const raw = Raw.safeParse(rawOutput);
  const said = raw.success ? (raw.data.output ?? raw.data.error) : undefined;
  if (said !== undefined) return said;
  return rawOutput === undefined || rawOutput === null ? "" : JSON.stringify(rawOutput);
}

export function contentText(content: Brought["content"]): string {
  return (content ?? [])
    .flatMap((block) => {
      const text = TextBlock.safeParse(block);
      if (text.success) return [text.data.content.text];
      const diff = DiffBlock.safeParse(block);
      if (diff.success) return [`[diff of ${diff.data.path}]`];
      return [`[${block.type}]`];
    })
    .join("\n");
}

/** A command that failed has "completed" as far as some agents are concerned. */
export function hasFailedExit(rawOutput: unknown): boolean {
  const outer = Exit.safeParse(rawOutput);
  if (!outer.success) return false;
  const inner = Exit.safeParse(outer.data["metadata"]);
  const codes = [outer.data, ...(inner.success ? [inner.data] : [])].flatMap(({ exitCode, exit_code, exit }) => [
    exitCode ?? exit_code ?? exit ?? 0,
  ]);
  return codes.some((code) => code !== 0);
}
