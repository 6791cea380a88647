/** Durations as Go writes them: `90s`, `1h30m`, `250ms`. */
import * as z from "zod";

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  // The micro sign and the Greek letter: keyboards and Go know both.
  "\u00b5s": 1e-3,
  "\u03bcs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const part = /(\d+(?:\.\d+)?)(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy;

/** Go's longest duration, about 292 years. */
const msMax = 2 ** 63 / 1e6;

/** Milliseconds of a duration string; undefined when it is not one (a bare number is not). */
export function parseDuration(text: string): number | undefined {
  let ms = 0;
  let end = 0;
  part.lastIndex = 0;
  for (let found = part.exec(text); found; found = part.exec(text)) {
    ms += Number(found[1]) * (unitMs[found[2] ?? ""] ?? 0);
    end = part.lastIndex;
  }
  return end > 0 && end === text.length && ms <= msMax ? ms : undefined;
}

/** What every timer can hold: setTimeout takes 2^31 ms, 24.8 days, for nothing at all. */
const longestDays = 24;
export const longestMs = longestDays * 24 * 3_600_000;

/** How long something may wait: a duration, or for ever. */
export const DurationOrNone = z.union([z.literal("none"), z.lazy(() => Duration)]);

/** A duration string of more than nothing, as milliseconds. */
export const Duration = z.string().transform((text, context) => {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0 && ms <= longestMs) return ms;
  context.addIssue({
    code: "custom",
    message: `expected a duration such as "90s" or "1h30m"${ms !== undefined && ms > 0 ? `, at most ${longestDays} days (${longestDays * 24}h)` : ""}, found ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});
