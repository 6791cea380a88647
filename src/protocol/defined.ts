/** Optional keys are present only when they say something. */

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Drops what is undefined, so that a key is present only when it says something. */
export function defined<T extends object>(values: T): Defined<T> {
  const kept: Defined<T> = {};
  for (const key in values) {
    const value = values[key];
    if (value !== undefined) kept[key] = value as Exclude<T[typeof key], undefined>;
  }
  return kept;
}
