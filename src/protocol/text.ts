/** Checks of text that people send. */

/** Half a character, such as an emoji cut in two: it has no UTF-8 form. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}

export const cutCharacter = "a prompt must not hold half a character (a lone surrogate, such as an emoji cut in two)";
