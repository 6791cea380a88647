/** What a person typed is text: nothing at its start makes a command of it. Pure. */

/** Agents look for their slash commands at the very start of a message; a text before it (context) hides them as well. */
export function plainPrompt(text: string, hasTextBefore: boolean): string {
  return !hasTextBefore && /^\s*\//.test(text) ? `The user says:\n${text}` : text;
}
