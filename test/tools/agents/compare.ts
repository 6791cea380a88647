/** What has changed between what the repository says we rely on and what the program says now. Pure. */

export type Facts = Readonly<Record<string, string>>;

/** A sentence for each difference. */
export function changes(name: string, held: Facts, found: Facts): string[] {
  const keys = [...new Set([...Object.keys(held), ...Object.keys(found)])].sort();
  return keys.flatMap((key) => {
    const [before, now] = [held[key], found[key]];
    if (before === now) return [];
    if (before === undefined) return [`${name}: ${key} is newly relied on, and is ${now}`];
    if (now === undefined) return [`${name}: ${key} is no longer relied on, was ${before}`];
    return [`${name}: ${key} was ${before}, is ${now}`];
  });
}
