/**
 * Text that a person decides by (what a tool is to do, a change of a file, a question): all of it can be seen. What would hide,
 * reorder or be acted on is written out as `‹U+001B›`, and nothing is dropped. Pure.
 */

/**
 * Control characters but tab and newline, halves of pairs, the separators that JavaScript takes for ends of lines, and whatever
 * has no width: a terminal's escapes, marks that reorder, fillers that are letters to a compiler. Within an emoji what joins or
 * colours it stays.
 */
const hidden =
  /[^\P{Cc}\n\t]|[\p{Cs}\p{Zl}\p{Zp}\ufff9-\ufffb]|(?!\u200d|\ufe0e|\ufe0f)\p{Default_Ignorable_Code_Point}|(?<!\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d|\u200d(?!\p{Extended_Pictographic})|(?<!\p{Extended_Pictographic})(?:\ufe0e|\ufe0f)/gu;

export function visible(text: string): string {
  return text.replace(
    hidden,
    (found) => `‹U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}›`,
  );
}
