/** Settings over settings: objects member by member at any depth, everything else replaced. Pure. */

type Members = Record<string, unknown>;

export function deepMerge(under: Members, over: Members): Members {
  const merged = new Map(Object.entries(under));
  for (const [key, value] of Object.entries(over)) {
    const below = merged.get(key);
    merged.set(key, isMembers(below) && isMembers(value) ? deepMerge(below, value) : value);
  }
  return Object.fromEntries(merged);
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
