/** Which of some words was meant by one that was mistyped. Pure. */

/** Typing errors between a word and the one that was meant. */
const distanceMax = 2;

/** The nearest of them; undefined when none is near. */
export function nearWord(word: string, known: readonly string[]): string | undefined {
  const [near] = known
    .map((name) => ({ name, distance: distanceOf(word, name) }))
    .filter(({ distance }) => distance <= distanceMax)
    .sort((one, other) => one.distance - other.distance);
  return near?.name;
}

/** Characters to put in, take out or change (Levenshtein). */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1];
    for (let j = 0; j < other.length; j++)
      next.push(Math.min((row[j] ?? 0) + (letter === other[j] ? 0 : 1), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    row = next;
  }
  return row.at(-1) ?? 0;
}
