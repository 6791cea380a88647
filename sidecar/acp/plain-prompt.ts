/** What a person typed is text: nothing at its start makes a command of it. Pure. */

/** Agents look for their slash commands at the start of each text of a message (Claude adapter 0.49.0, Qwen Code 0.15.10). */
export function plainPrompt(text: string): string {
  return /^\s*\//.test(text) ? `The user says:\n${text}` : text;
}
